// codex.cpp - finds the native Codex program.
#include "launcher/host/codex.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/process.hpp"
#include "base/startable.hpp"
#include "base/unique_fd.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/host/shims.hpp"
#include "launcher/host/tool_caches.hpp"
#include "launcher/host/version_cache.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::host {

namespace {

/// Below node_modules/@openai.
constexpr std::string_view launcher_place = "/codex/bin";
constexpr std::size_t longest_script = std::size_t{64} << 10;

bool is_elf(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  char magic[4] = {};
  return fd && read(fd.get(), magic, sizeof magic) == 4 &&
         std::string_view(magic, 4) ==
             "\x7f"
             "ELF";
}

std::string platform_package() {
  utsname machine{};
  uname(&machine);
  const std::string_view name = machine.machine;
  return name == "aarch64" ? "codex-linux-arm64" : "codex-linux-x64";
}

/// The program in a platform package (@openai/codex-linux-x64): vendor/TARGET/bin/codex.
std::string in_platform_package(const std::string& package) {
  const std::string vendor = package + "/vendor";
  for (const std::string& target : sorted_entries(vendor)) {
    std::string program = vendor + "/" + target + "/bin/codex";
    if (is_elf(program)) return program;
  }
  return {};
}

vmspec::AgentProgram not_used(std::string why, std::string hint = {}) {
  return {.path = {}, .version = {}, .obstacle = std::move(why), .hint = std::move(hint)};
}

vmspec::AgentProgram not_used(ShimWords words) {
  return not_used(std::move(words.what), std::move(words.hint));
}

/// The program below node_modules/@openai: npm puts the platform package beside codex, or below its own node_modules;
/// pnpm links to it there. Nothing, without a word, when there is none.
vmspec::AgentProgram from_openai_directory(const std::string& openai) {
  const std::string package = platform_package();
  std::string program = in_platform_package(openai + "/" + package);
  if (program.empty()) program = in_platform_package(openai + "/codex/node_modules/@openai/" + package);
  if (program.empty()) return {};
  // Where the links on the way lie is known only before they are followed.
  if (const auto place = forbidden_place(program)) return not_used(not_started(program, *place));
  return {.path = real_path(program)};
}

bool names_codex(const std::string& path) {
  return path.find("codex", path.rfind('/') + 1) != std::string::npos;
}

std::string parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

/// `real` is .../node_modules/@openai/codex/bin/codex.js.
vmspec::AgentProgram behind_launcher(const std::string& real) {
  const std::string directory = parent_of(real);
  vmspec::AgentProgram found = from_openai_directory(directory.substr(0, directory.size() - launcher_place.size()));
  if (!found.path.empty() || !found.obstacle.empty()) return found;
  return not_used(fmt::format("{} is npm's launcher, and @openai/{} with the program itself is not beside it", real,
                              platform_package()),
                  "install it anew with its optional dependencies: `npm install -g --include=optional @openai/codex`");
}

bool is_launcher(const std::string& real) {
  return parent_of(real).ends_with(launcher_place);
}

/// How a file begins; "" when it cannot be read.
std::string beginning(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string text(longest_script, '\0');
  const ssize_t size = fd ? read(fd.get(), text.data(), text.size()) : 0;
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

vmspec::AgentProgram behind_script(const std::string& path, const std::string& real) {
  const std::string text = beginning(real);
  if (!text.starts_with("#!")) return not_used(path + " is neither a native program nor a script");
  // $basedir is where the script was called, which some versions follow links from.
  for (const std::string& directory : {parent_of(path), parent_of(real)}) {
    const std::string launcher = launcher_in_script(text, directory);
    const std::string target = real_path(launcher);
    if (!is_launcher(target)) continue;
    if (const auto place = forbidden_place(launcher)) return not_used(not_started(launcher, *place));
    return behind_launcher(target);
  }
  return not_used(scripted_shim(path, text));
}

/// What a path leads to, asked for its version. In a guest it may run, but a guest's own must not say here what it is.
vmspec::AgentProgram judged(const std::string& path, const std::string& cache_dir) {
  if (const auto place = forbidden_place(path)) return not_used(not_started(path, *place));
  vmspec::AgentProgram found = native_codex(path);
  if (found.path.empty()) return found;
  if (const auto place = forbidden_place(found.path)) return not_used(not_started(found.path, *place));
  const std::string line = version_line(found.path, cache_dir);
  std::string lower = line;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (line.empty() ? !names_codex(found.path) : lower.find("codex") == std::string::npos) {
    const std::string said = line.empty() ? "nothing" : vmspec::quote_value(line);
    return not_used(fmt::format("{} is not Codex: asked for its --version, it says {}", found.path, said));
  }
  found.version = version_number(line);
  return found;
}

}  // namespace

vmspec::AgentProgram native_codex(const std::string& path) {
  const std::string real = real_path(path);
  if (real.empty()) return {};
  if (is_elf(real)) {
    // Asked for its version it might start what the current directory's files name, and answer with that one's.
    if (parent_of(real).ends_with("/shims")) return not_used(placed_shim(real));
    if (names_codex(path) && !names_codex(real)) return not_used(linked_shim(path, real));
    return {.path = real};
  }
  const std::string wrapped = parent_of(real) + "/.codex-wrapped";
  if (is_elf(wrapped)) return {.path = wrapped};
  return is_launcher(real) ? behind_launcher(real) : behind_script(path, real);
}

vmspec::AgentProgram find_codex(const std::string& package, const std::string& cache_dir) {
  if (package != "auto" && package != "host") return judged(expand_home(package), cache_dir);
  const char* given = std::getenv("AGENTVM_CODEX");
  if (given != nullptr && given[0] != '\0') {
    if (real_path(given).empty()) return not_used(fmt::format("AGENTVM_CODEX is {}, which is not there", given));
    return judged(given, cache_dir);
  }
  vmspec::AgentProgram found;
  if (const auto on_path = find_program("codex")) found = judged(*on_path, cache_dir);
  if (package == "host") return found;
  for (const std::string& cache : tool_caches(cache_dir)) {
    if (!found.path.empty()) break;
    const std::string program = from_openai_directory(real_path(cache + "/tools/codex/node_modules/@openai")).path;
    if (program.empty()) continue;
    vmspec::AgentProgram kept = judged(program, cache_dir);
    // What was passed over is still said.
    if (!found.obstacle.empty()) {
      kept.obstacle = std::move(found.obstacle);
      kept.hint = std::move(found.hint);
    }
    found = std::move(kept);
  }
  return found;
}

}  // namespace agentvm::host
