// nix_confinement.cpp - see nix_confinement.hpp. Settings as nix.conf(5) of 2.8 to 2.31 has them.
#include "launcher/sandbox/nix_confinement.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/process.hpp"

namespace agentvm::devshell {

namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds answer_limit{20};

bool is_trusted(const std::vector<std::string>& trusted, const NixCaller& caller) {
  return std::any_of(trusted.begin(), trusted.end(), [&](const std::string& entry) {
    if (entry == "*" || entry == caller.user) return true;
    return entry.starts_with('@') &&
           std::find(caller.groups.begin(), caller.groups.end(), entry.substr(1)) != caller.groups.end();
  });
}

Error no_answer(const std::string& why) {
  return Error("Nix does not say whether it builds in a sandbox: " + why,
               "`nix show-config --json` is what was asked for.", ExitCode::cannot_start);
}

}  // namespace

NixConfinement parse_confinement(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  NixConfinement out;
  try {
    const Json& sandbox = json.at("sandbox").at("value");
    out.sandbox = sandbox == true || sandbox == "true";
    const Json& fallback = json.at("sandbox-fallback").at("value");
    out.fallback = fallback != false && fallback != "false";
    const Json& trusted = json.at("trusted-users").at("value");
    for (const Json& name : trusted) out.trusted_users.push_back(name.get<std::string>());
  } catch (const Json::exception&) {
    throw no_answer("its settings have no sandbox, sandbox-fallback or trusted-users");
  }
  return out;
}

bool must_ask_for_confinement(const NixConfinement& daemon, const NixCaller& caller) {
  if (is_trusted(daemon.trusted_users, caller)) return true;
  if (daemon.sandbox && !daemon.fallback) return false;
  throw Error(daemon.sandbox
                  ? "the Nix daemon may run the builders of a workspace's flake without its sandbox "
                    "(sandbox-fallback = true)"
                  : "the Nix daemon runs the builders of a workspace's flake without its sandbox (sandbox is "
                    "not true)",
              "Set `sandbox = true` and `sandbox-fallback = false` in /etc/nix/nix.conf and restart nix-daemon.",
              ExitCode::cannot_start);
}

NixConfinement read_confinement(const std::string& nix) {
  // The daemon has not read the caller's own settings, so neither may this. No flake is near.
  const std::map<std::string, std::string> environment = {
      {"NIX_USER_CONF_FILES", ""}, {"HOME", "/"}, {"PATH", "/var/empty"}, {"LANG", "C.UTF-8"}};
  std::string complaint;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"show-config"}, std::vector<std::string>{"config", "show"}}) {
    std::vector<std::string> args = {"--extra-experimental-features", "nix-command"};
    args.insert(args.end(), words.begin(), words.end());
    args.emplace_back("--json");
    const Output output =
        run_captured({.program = nix, .args = args, .environment = environment, .directory = "/"}, answer_limit);
    if (!output.timed_out && output.status.shell_code() == 0) return parse_confinement(output.out);
    if (complaint.empty()) complaint = output.err.substr(0, output.err.find('\n'));
  }
  throw no_answer(complaint.empty() ? "it did not answer" : complaint);
}

NixCaller caller() {
  NixCaller out;
  if (const passwd* entry = getpwuid(geteuid()); entry != nullptr) out.user = entry->pw_name;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(getgroups(0, nullptr), 0)));
  groups.resize(static_cast<std::size_t>(std::max(getgroups(static_cast<int>(groups.size()), groups.data()), 0)));
  groups.push_back(getegid());
  for (const gid_t id : groups) {
    if (const group* entry = getgrgid(id); entry != nullptr) out.groups.emplace_back(entry->gr_name);
  }
  return out;
}

}  // namespace agentvm::devshell
