// support.cpp - what the tests of vmspec share.
#include "tests/unit/vmspec/support.hpp"
#include "tests/unit/places.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace agentvm::vmspec::testing {

namespace {

std::filesystem::path data_path(const std::string& name) {
  return std::filesystem::path(test::data_directory) / "vmspec" / "data" / name;
}

}  // namespace

std::vector<std::string> format_all(const std::vector<Problem>& problems) {
  std::vector<std::string> out;
  for (const Problem& problem : problems) out.push_back(format(problem));
  return out;
}

Parsed parse(const std::string& text) {
  Parsed out;
  apply_profile(out.profile, {"p.toml", text}, out.problems);
  check_profile(out.profile, out.problems);
  out.lines = format_all(out.problems);
  return out;
}

std::string only_problem(const std::string& text) {
  const Parsed parsed = parse(text);
  for (const std::string& line : parsed.lines) INFO(line);
  CAPTURE(text);
  REQUIRE(parsed.lines.size() == 1);
  return parsed.lines.front();
}

bool has_line(const std::vector<std::string>& lines, std::string_view words) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(words) != std::string::npos; });
}

ProfileSources sources_of(std::map<std::string, std::string> texts) {
  ProfileSources out;
  out.is_trusted = [](const SourceText&) { return true; };
  for (const auto& [name, text] : texts) out.known.push_back(name);
  for (const auto& [name, source] : builtin_profiles()) out.known.push_back(name);
  out.lookup = [texts = std::move(texts)](std::string_view name) -> std::optional<SourceText> {
    if (const auto found = texts.find(std::string(name)); found != texts.end()) {
      return SourceText{found->first + ".toml", found->second};
    }
    const auto builtin_one = builtin_profiles().find(name);
    return builtin_one == builtin_profiles().end() ? std::nullopt : std::optional(builtin_one->second);
  };
  return out;
}

HostFacts debian_host() {
  HostFacts facts;
  facts.cpus = 4;
  facts.memory_bytes = std::uint64_t{16} << 30;
  facts.kvm = false;
  facts.kvm_reason = "/dev/kvm is missing";
  facts.uid = 1001;
  facts.gid = 1001;
  facts.home = "/home/me";
  facts.path = "/home/me/.cargo/bin:/usr/lib/ccache:/usr/local/bin:/usr/bin:/bin:/usr/games";
  facts.programs = {{"qemu", "/usr/bin/qemu-system-x86_64"},
                    {"virtiofsd", "/usr/libexec/virtiofsd"},
                    {"bwrap", "/usr/bin/bwrap"},
                    {"sudo", "/usr/bin/sudo"}};
  facts.kernels = {{"/boot/vmlinuz-6.1.0-56-cloud-amd64", "6.1.0-56-cloud-amd64", "/lib/modules/6.1.0-56-cloud-amd64"}};
  facts.codex = {"/home/me/.cache/agentvm/tools/codex/bin/codex", "0.169.0"};
  facts.agentvm_guest = "/usr/libexec/agentvm/agentvm-guest";
  facts.found = {{"mcp-nixos", "/home/me/.local/bin/mcp-nixos"},
                 {"cargo", "/home/me/.cargo/bin/cargo"},
                 {"rustc", "/home/me/.cargo/bin/rustc"},
                 {"python3", "/usr/bin/python3"},
                 {"node", "/usr/bin/node"},
                 {"npm", "/usr/bin/npm"},
                 {"go", "/usr/bin/go"},
                 {"cc", "/usr/bin/cc"},
                 {"c++", "/usr/bin/c++"},
                 {"make", "/usr/bin/make"}};
  facts.paths = {{"~/.cargo/bin", {true, "/home/me/.cargo/bin", {"/home/me/.cargo/bin"}}},
                 {"~/.rustup/toolchains",
                  {true, "/home/me/.rustup/toolchains", {"/home/me/.rustup/toolchains/stable-x86_64/bin"}}}};
  facts.workspace_uid = 1001;
  facts.workspace_gid = 1001;
  facts.environment = {{"OPENAI_API_KEY", "sk-secret"}, {"TERM", "xterm-kitty"}, {"LANG", "de_DE.UTF-8"}};
  return facts;
}

RunRequest some_run() {
  RunRequest request;
  request.name = "calm-otter";
  request.uuid = "7d444840-9dc0-11d1-b245-5ffdce74fad2";
  request.machine_id = "0123456789abcdef0123456789abcdef";
  request.workspace = "/home/me/app";
  request.prompt = "make the tests pass";
  return request;
}

Profile builtin(std::string_view name) {
  std::vector<Problem> problems;
  Profile profile = resolve_profile(name, std::nullopt, sources_of({}), problems);
  for (const std::string& line : format_all(problems)) FAIL_CHECK(line);
  return profile;
}

std::string data_file(const std::string& name) {
  std::ifstream file(data_path(name), std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void check_golden(const std::string& name, const std::string& actual) {
  // Nothing else in the tests of vmspec looks at the environment.
  if (std::getenv("AGENTVM_TEST_ACCEPT") != nullptr) {
    std::ofstream(data_path(name), std::ios::binary) << actual;
    FAIL_CHECK("rewritten, not compared (AGENTVM_TEST_ACCEPT): " << name);
    return;
  }
  const std::string expected = data_file(name);
  CAPTURE(name);
  CHECK_MESSAGE(actual == expected, "differs from the golden file; AGENTVM_TEST_ACCEPT=1 rewrites it");
}

}  // namespace agentvm::vmspec::testing
