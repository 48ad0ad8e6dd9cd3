// codex.cpp - finds the native Codex program.
#include "launcher/host/codex.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/startable.hpp"
#include "base/unique_fd.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/host/tool_caches.hpp"
#include "launcher/host/version_cache.hpp"

namespace agentvm::host {

namespace {

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

/// npm puts the platform package beside @openai/codex, or below its own node_modules.
std::string from_openai_directory(const std::string& openai) {
  const std::string package = platform_package();
  std::string program = in_platform_package(openai + "/" + package);
  if (program.empty()) program = in_platform_package(openai + "/codex/node_modules/@openai/" + package);
  return program;
}

}  // namespace

std::string native_codex(const std::string& path) {
  const std::string real = real_path(path);
  if (real.empty()) return {};
  if (is_elf(real)) return real;
  const std::string directory = real.substr(0, real.rfind('/'));
  const std::string wrapped = directory + "/.codex-wrapped";
  if (is_elf(wrapped)) return wrapped;
  // .../node_modules/@openai/codex/bin/codex.js
  const std::string tail = "/codex/bin";
  if (directory.size() > tail.size() && directory.compare(directory.size() - tail.size(), tail.size(), tail) == 0) {
    return from_openai_directory(directory.substr(0, directory.size() - tail.size()));
  }
  return {};
}

vmspec::AgentProgram find_codex(const std::string& package, const std::string& cache_dir) {
  std::string program;
  if (package == "auto" || package == "host") {
    const char* given = std::getenv("AGENTVM_CODEX");
    if (given != nullptr && given[0] != '\0') {
      program = native_codex(given);
    } else {
      if (const auto on_path = find_program("codex")) program = native_codex(*on_path);
      if (package == "auto") {
        for (const std::string& cache : tool_caches(cache_dir)) {
          if (!program.empty()) break;
          program = from_openai_directory(real_path(cache + "/tools/codex/node_modules/@openai"));
        }
      }
    }
  } else {
    program = native_codex(expand_home(package));
  }
  // In a guest it may run, but a guest's own must not say here what version it is.
  if (program.empty() || forbidden_place(program)) return {};
  return {program, version_number(version_line(program, cache_dir))};
}

}  // namespace agentvm::host
