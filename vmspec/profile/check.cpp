// check.cpp - the rules over several keys of a profile.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "vmspec/plan/names.hpp"
#include "vmspec/plan/paths.hpp"
#include "vmspec/profile/profile.hpp"
#include "vmspec/profile/rules.hpp"

namespace agentvm::vmspec {

namespace {

/// Collects what contradicts, unless one of the keys is known to be wrong by itself already.
class CrossCheck {
 public:
  CrossCheck(const Profile& profile, std::vector<Problem>& problems) : profile_(profile), problems_(problems) {
    for (const Problem& problem : problems) wrong_.insert(problem.key);
  }

  void refuse(const std::string& key, std::string message, std::string hint = {}) {
    if (!wrong_.contains(key))
      problems_.push_back(problem_at(profile_.origin(key), key, std::move(message), std::move(hint)));
  }

  void workspace() {
    const auto& workspace = profile_.workspace;
    if (!workspace.hide.empty() && workspace.mode != WorkspaceMode::review) {
      refuse("workspace.hide", fmt::format("needs workspace.mode = \"review\" (got \"{}\")", name_of(workspace.mode)),
             "over a plain share a mask falls off when an editor renames a file over it");
    }
    const std::string home = "/home/" + profile_.guest.user;
    if (workspace.mount == home || is_within(home + "/.codex", workspace.mount) ||
        is_within(workspace.mount, home + "/.codex")) {
      refuse("workspace.mount",
             fmt::format("would hide the agent's own files in {} (got {})", home, quote_value(workspace.mount)));
    }
    for (const std::string& path : profile_.guest.expose) {
      const std::string seen = expand_home(path, home);
      if (is_within(seen, workspace.mount) || is_within(workspace.mount, seen)) {
        refuse("guest.expose", fmt::format("{} would overlap the workspace at {}", quote_value(path), workspace.mount));
      }
    }
  }

  void network() {
    const auto& network = profile_.network;
    if (!network.allow.empty() && network.egress != EgressChoice::automatic && network.egress != EgressChoice::proxy) {
      refuse("network.allow",
             fmt::format("needs network.egress = \"proxy\" or \"auto\" (got \"{}\")", name_of(network.egress)));
    }
    std::set<std::pair<std::string, std::uint16_t>> taken;
    for (const std::string& text : network.publish) {
      const auto published = rules::parse_publish(text);
      if (published && !taken.insert({published->address, published->port}).second) {
        refuse("network.publish", fmt::format("{} publishes {} port {} a second time", quote_value(text),
                                              published->address, published->port));
      }
    }
  }

  void agent() {
    const auto& agent = profile_.agent;
    if (agent.kind == AgentKind::command && agent.command.empty()) {
      refuse("agent.command", "is needed with agent.kind = \"command\"",
             "say what to run: command = [\"make\", \"test\"]");
    }
    const KeySource& key = profile_.model.key;
    if (key.kind == KeySource::Kind::env && agent.env.contains(key.name)) {
      refuse("agent.env." + key.name, "is the variable of the model's key, which never enters the guest",
             "take it out: the host adds the key to the agent's requests");
    }
  }

  void mcp() {
    for (const auto& [name, server] : profile_.mcp) {
      const std::string base = "mcp." + name;
      if (!profile_.origins.contains(base + ".command")) {
        refuse(base, "has no command", fmt::format("say what to start on the host: command = [\"mcp-{}\"]", name));
      }
      if (server.tools_allow && !server.tools_deny.empty()) {
        refuse(base + ".tools.allow", fmt::format("contradicts {}.tools.deny", base),
               "give one of the two; deny = [] takes an inherited one away");
      }
    }
  }

 private:
  const Profile& profile_;
  std::vector<Problem>& problems_;
  std::set<std::string> wrong_;  ///< keys that were wrong before
};

}  // namespace

void check_profile(const Profile& profile, std::vector<Problem>& problems) {
  CrossCheck check(profile, problems);
  check.workspace();
  check.network();
  check.agent();
  check.mcp();
}

std::vector<std::string> outward_keys(const Profile& profile, std::string_view file) {
  static constexpr std::string_view always[] = {"machine.connect", "guest.modules",  "guest.nixpkgs",
                                                "guest.expose",    "workspace.hide", "network.publish",
                                                "agent.package",   "model.upstream", "model.key"};
  std::vector<std::string> out;
  for (const auto& [key, origin] : profile.origins) {
    if (origin.file != file) continue;
    // Narrowing needs nobody's trust: a workspace may ask for less than its caller would give.
    const bool widens = (key == "workspace.mode" && profile.workspace.mode == WorkspaceMode::shared) ||
                        (key == "network.egress" && profile.network.egress != EgressChoice::none) ||
                        (key == "guest.devshell" && profile.guest.devshell) ||
                        (key == "network.allow" && !profile.network.allow.empty());
    const bool server = key.starts_with("mcp.") && std::count(key.begin(), key.end(), '.') > 1;
    if (widens || server || std::find(std::begin(always), std::end(always), key) != std::end(always))
      out.push_back(key);
  }
  return out;
}

}  // namespace agentvm::vmspec
