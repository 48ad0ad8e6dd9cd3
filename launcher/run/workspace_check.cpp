// workspace_check.cpp - refuses what no agent should be given.
#include "launcher/run/workspace_check.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "launcher/host/path_facts.hpp"

namespace agentvm::commands {

namespace {

bool contains(const std::string& directory, const std::string& path) {
  return directory == "/" || path == directory || path.rfind(directory + "/", 0) == 0;
}

Error refused(const std::string& path, const std::string& reason, const std::string& hint) {
  return Error("the workspace " + path + " " + reason, hint, ExitCode::usage);
}

/// The longest part of a path that exists, resolved, with the rest behind it: the state directories may not exist yet.
std::string resolved_root(const std::string& path) {
  std::string existing = path;
  std::string rest;
  for (;;) {
    if (const std::string real = host::real_path(existing); !real.empty()) return real == "/" ? rest : real + rest;
    const auto slash = existing.rfind('/');
    if (slash == std::string::npos || slash == 0) return path;
    rest = existing.substr(slash) + rest;
    existing.resize(slash);
  }
}

}  // namespace

std::string check_workspace(const std::string& path, const state::Roots& roots) {
  const std::string shown = path.empty() ? "''" : path;
  const std::string real = host::real_path(path);
  struct stat info {};
  if (real.empty() || stat(real.c_str(), &info) < 0) {
    const Error reason = system_error(errno, shown);
    if (errno == ENOENT) throw refused(shown, "does not exist", "Name a directory: agentvm run DIRECTORY");
    throw refused(shown, "cannot be used: " + std::string(reason.what()), {});
  }
  if (!S_ISDIR(info.st_mode)) throw refused(shown, "is not a directory", "Name the directory that the file is in.");
  if (access(real.c_str(), R_OK | X_OK) < 0) {
    throw refused(real, "is not readable for you", "Make it readable and searchable: chmod u+rx.");
  }
  const std::string narrower = "Give the agent the directory of a single project.";
  for (const char* system : {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/nix", "/opt", "/proc",
                             "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"}) {
    if (real == system) throw refused(real, "is a system directory", narrower);
  }
  for (const char* kernel : {"/dev", "/proc", "/sys"}) {
    if (contains(kernel, real)) throw refused(real, "belongs to the kernel", narrower);
  }
  const std::string home = host::real_path(host::home_directory());
  if (!home.empty() && home != "/" && contains(real, home)) {
    throw refused(real, real == home ? "is your home" : "contains your home",
                  "The agent would get your keys and your shell's startup files. " + narrower);
  }
  for (const std::string& root : {roots.state, roots.runtime, roots.cache}) {
    const std::string own = resolved_root(root);
    if (contains(real, own) || contains(own, real)) {
      throw refused(real, "overlaps with " + own + ", where agentvm keeps its own files", narrower);
    }
  }
  return real;
}

}  // namespace agentvm::commands
