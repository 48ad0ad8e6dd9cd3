// codex_command.cpp - Codex's command line for one run, by the version that is installed.
#include "vmspec/agents/codex_command.hpp"

#include <charconv>
#include <string_view>

#include "vmspec/agents/codex_overrides.hpp"

namespace agentvm::vmspec {

namespace {

struct Version {
  unsigned major = 0;
  unsigned minor = 0;
};

/// The first two numbers; nullopt when there are none.
std::optional<Version> parse_version(std::string_view text) {
  Version out;
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, out.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, out.minor);
  if (minor.ec != std::errc()) return std::nullopt;
  return out;
}

bool before(const std::optional<Version>& version, unsigned minor) {
  return version && version->major == 0 && version->minor < minor;
}

/// What "no prompts" is called, as each version's own binary parses it: `exec` took --full-auto up to 0.146, the TUI up
/// to 0.139; the flag that replaced it has been in both since before 0.120.
std::vector<std::string> full_auto(const std::optional<Version>& version, bool exec) {
  if (before(version, exec ? 147 : 140)) return {"--full-auto"};
  return {"--dangerously-bypass-approvals-and-sandbox"};
}

/// The TUI asks; `exec` has nobody to ask and refuses what its sandbox does not allow.
std::vector<std::string> ask(bool exec) {
  if (exec) return {"--sandbox", "workspace-write"};
  return {"--sandbox", "workspace-write", "--ask-for-approval", "on-request"};
}

}  // namespace

std::vector<std::string> codex_command(const CodexCommandInput& input) {
  const bool exec = input.prompt.has_value() && !input.interactive;
  std::vector<std::string> argv = {input.program};
  const auto append = [&argv](const std::vector<std::string>& words) {
    argv.insert(argv.end(), words.begin(), words.end());
  };
  if (exec) append({"exec", "--skip-git-repo-check"});
  const std::optional<Version> version = parse_version(input.version);
  append(input.autonomy == Autonomy::full_auto ? full_auto(version, exec) : ask(exec));
  // The TUI of 0.169 wants a background server from a complete package; the guest sees the program alone.
  if (!exec && !before(version, 169)) append({"--no-daemon"});
  if (!input.config.empty()) append(codex_overrides(input.config, before(version, 130)));
  append(input.args);
  if (input.prompt) append({"--", *input.prompt});
  return argv;
}

}  // namespace agentvm::vmspec
