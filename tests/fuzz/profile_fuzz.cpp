// profile_fuzz.cpp - any text as a profile: no crash, bounded mistakes, what is taken comes back from its rendering,
// and as a workspace's file, which a guest can write, it widens nothing.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/fuzz/require.hpp"
#include "vmspec/plan/plan.hpp"
#include "vmspec/profile/profile.hpp"

namespace {

using agentvm::vmspec::Problem;
using agentvm::vmspec::Profile;
using agentvm::vmspec::ProfileSources;
using agentvm::vmspec::SourceText;

constexpr const char* own_profile = R"(
machine = { vcpus = 2, memory = "1GiB", disk = "1GiB" }
guest.expose = ["/opt/a", "/opt/b"]
workspace = { mode = "review", hide = [".env"] }
agent = { autonomy = "ask", timeout = "10m" }
model.key = { env = "K" }
mcp.files = { command = ["mcp-files"], tools.allow = ["read"] }
)";

ProfileSources sources() {
  ProfileSources out;
  out.lookup = [](std::string_view name) -> std::optional<SourceText> {
    if (name == "own") return SourceText{"own.toml", own_profile};
    const auto& builtin = agentvm::vmspec::builtin_profiles();
    const auto found = builtin.find(name);
    return found == builtin.end() ? std::nullopt : std::optional(found->second);
  };
  out.is_trusted = [](const SourceText& source) { return source.file == "own.toml"; };
  return out;
}

/// By hand, without the rules' own comparisons.
void require_narrower(const Profile& own, const Profile& value, const std::string& text) {
  require(value.machine.vcpus <= own.machine.vcpus && value.machine.memory_bytes <= own.machine.memory_bytes &&
              value.machine.disk_bytes <= own.machine.disk_bytes,
          "a larger machine", text);
  for (const std::string& path : value.guest.expose) {
    require(path == "/opt/a" || path == "/opt/b", "another directory", text);
  }
  require(value.guest.modules.empty() && value.network.publish.empty() && value.network.allow.empty() &&
              !value.guest.devshell && value.guest.nixpkgs == own.guest.nixpkgs && value.guest.image == own.guest.image,
          "something of the host's", text);
  require(value.workspace.mode != agentvm::vmspec::WorkspaceMode::shared &&
              value.agent.autonomy == agentvm::vmspec::Autonomy::ask && value.agent.package == own.agent.package,
          "more freedom", text);
  require(value.agent.timeout_ms > 0 && value.agent.timeout_ms <= own.agent.timeout_ms, "more time", text);
  require(value.model.upstream == own.model.upstream &&
              (value.model.key == own.model.key || value.model.key == agentvm::vmspec::KeySource{}),
          "another key or endpoint", text);
  for (const auto& [name, server] : value.mcp) {
    require(server.command.empty() || (name == "files" && server.command == own.mcp.at("files").command),
            "another command", text);
    require(name != "files" || server.command.empty() ||
                (server.tools_allow && (server.tools_allow->empty() ||
                                        *std::max_element(server.tools_allow->begin(), server.tools_allow->end()) ==
                                            *std::min_element(server.tools_allow->begin(), server.tools_allow->end()))),
            "another tool", text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<Problem> problems;
  Profile profile;
  agentvm::vmspec::apply_profile(profile, {"fuzz.toml", text}, problems);
  require(problems.size() <= 101, "more mistakes than are shown", text);
  for (const Problem& problem : problems) {
    const std::string line = agentvm::vmspec::format(problem);
    require(line.find('\n') == std::string::npos && line.find('\x1b') == std::string::npos, "not one line", line);
  }
  agentvm::vmspec::check_profile(profile, problems);

  // Whatever was taken over, right or left at its default, can be written and read again.
  for (const bool origins : {false, true}) {
    const std::string shown = agentvm::vmspec::render_profile(profile, origins);
    std::vector<Problem> again_problems;
    Profile again;
    agentvm::vmspec::apply_profile(again, {"shown.toml", shown}, again_problems);
    for (const Problem& problem : again_problems) require(false, agentvm::vmspec::format(problem).c_str(), shown);
    require(again == profile, "another profile came back", shown);
  }

  // As the file of a workspace, with a flag that adds to what it says.
  std::vector<Problem> refused;
  std::vector<Problem> none;
  const Profile own = agentvm::vmspec::resolve_profile("own", std::nullopt, sources(), none);
  require(none.empty(), "the profile below has mistakes", own_profile);
  Profile over = agentvm::vmspec::resolve_profile("own", SourceText{"agentvm.toml", text}, sources(), refused);
  if (refused.empty()) require_narrower(own, over, text);
  agentvm::vmspec::apply_override(over, "guest.expose.add", "/opt/x", "--expose", refused);
  static_cast<void>(agentvm::vmspec::problems_error(refused));

  // Planning takes any profile, on a host that has nothing.
  agentvm::vmspec::RunRequest request;
  request.name = "fuzz";
  request.workspace = "/w";
  request.prompt = text;
  agentvm::vmspec::needed_facts(profile, request);
  std::vector<Problem> refusals;
  const auto spec = agentvm::vmspec::make_vm_spec(profile, {}, request, refusals);
  require(!refusals.empty(), "a host without QEMU was enough", text);
  require(spec.shares.size() >= 2, "no workspace", text);
  return 0;
}
