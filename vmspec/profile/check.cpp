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

/// Each is a process on the host.
constexpr std::size_t max_servers = 64;

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
    } else if (!agent.command.empty() && agent.command.front().empty()) {
      refuse("agent.command", "must begin with a program");
    }
    const KeySource& key = profile_.model.key;
    if (key.kind == KeySource::Kind::env && agent.env.contains(key.name)) {
      refuse("agent.env." + key.name, "is the variable of the model's key, which never enters the guest",
             "take it out: the host adds the key to the agent's requests");
    }
  }

  void mcp() {
    if (profile_.mcp.size() > max_servers) {
      refuse("mcp." + profile_.mcp.rbegin()->first,
             fmt::format("at most {} servers (got {})", max_servers, profile_.mcp.size()));
      return;
    }
    for (const auto& [name, server] : profile_.mcp) {
      const std::string base = "mcp." + name;
      if (!profile_.origins.contains(base + ".command")) {
        refuse(base, "has no command", fmt::format("say what to start on the host: command = [\"mcp-{}\"]", name));
      }
      if (!server.command.empty() && server.command.front().empty()) {
        refuse(base + ".command", "must begin with a program");
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

}  // namespace agentvm::vmspec
