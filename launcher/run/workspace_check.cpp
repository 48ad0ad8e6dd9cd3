// workspace_check.cpp - refuses what no agent should be given.
#include "launcher/run/workspace_check.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/host/profile_store.hpp"

namespace agentvm::commands {

namespace {

const std::string narrower = "Give the agent a directory of one project.";

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

/// Whether a workspace decides about what lies at a path: it holds that, or a link on the way to it.
bool decides(const HeldDirectory& workspace, const std::string& path) {
  if (lies_within(resolved_root(path), workspace.path())) return true;
  try {
    const ResolvedPath found = resolve_path(path, true);
    for (const std::string& holder : found.links_in) {
      if (lies_within(holder, workspace.path())) return true;
    }
    struct stat info {};
    const bool directory = fstat(found.fd.get(), &info) == 0 && S_ISDIR(info.st_mode);
    const std::string above = found.path.substr(0, std::max<std::size_t>(1, found.path.rfind('/')));
    return HeldDirectory::resolve(directory ? found.path : above).lies_in(workspace);
  } catch (const Error&) {
    return false;  // not there yet: resolved_root has said where it would be
  }
}

/// The other way round: the workspace lies in a directory of ours.
bool lies_in(const HeldDirectory& workspace, const std::string& directory) {
  if (lies_within(workspace.path(), resolved_root(directory))) return true;
  try {
    return workspace.lies_in(HeldDirectory::resolve(directory));
  } catch (const Error&) {
    return false;
  }
}

void refuse_system(const HeldDirectory& workspace) {
  const std::string& real = workspace.path();
  for (const char* system : {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/nix", "/opt", "/proc",
                             "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"}) {
    if (real == system) throw refused(real, "is a directory of the system", narrower);
  }
  for (const char* kernel : {"/dev", "/proc", "/sys"}) {
    if (lies_within(real, kernel)) throw refused(real, "is made by the kernel", narrower);
  }
  const std::string home = host::real_path(host::home_directory());
  if (home.empty() || home == "/") return;
  if (decides(workspace, home)) {
    throw refused(real, real == home ? "is your home" : "contains your home",
                  "An agent would have your keys and your shell's start files. " + narrower);
  }
}

void refuse_profiles(const HeldDirectory& workspace) {
  const auto refuse = [&](const std::string& path) {
    return refused(workspace.path(), "decides about the profiles in " + path,
                   "An agent could write there what the next run does on this host. " + narrower);
  };
  const host::ProfileStore store = host::ProfileStore::of_user();
  for (const std::string& directory : store.directories()) {
    const std::string above = directory.substr(0, directory.rfind('/'));
    if (decides(workspace, directory) || lies_in(workspace, above)) throw refuse(directory);
    for (const std::string& file : host::sorted_entries(directory)) {
      if (decides(workspace, directory + "/" + file)) throw refuse(directory + "/" + file);
    }
  }
}

void refuse_programs(const HeldDirectory& workspace) {
  std::vector<std::string> programs{host::own_executable()};
  for (const char* name : {"agentvm-supervisor", "agentvm-reaper", "agentvm-guest"}) {
    if (auto program = host::find_own_program(name)) programs.push_back(*std::move(program));
  }
  for (const std::string& program : programs) {
    const std::string directory = host::real_path(program.substr(0, program.rfind('/')));
    if (decides(workspace, program) || lies_within(workspace.path(), directory)) {
      throw refused(workspace.path(), "has a say in agentvm's own program " + program,
                    "Install agentvm elsewhere, or give the agent another directory.");
    }
  }
}

}  // namespace

HeldDirectory check_workspace(const std::string& path, const state::Roots& roots) {
  const std::string shown = path.empty() ? "''" : path;
  HeldDirectory workspace;
  int error = 0;
  try {
    workspace = HeldDirectory::resolve(path, &error);
  } catch (const Error& reason) {
    if (error == ENOENT) throw refused(shown, "does not exist", "Name a directory: agentvm run DIRECTORY");
    if (error == ENOTDIR) throw refused(shown, "is not a directory", "Name the directory that the file is in.");
    throw refused(shown, "cannot be used: " + std::string(reason.what()), reason.hint());
  }
  if (access(workspace.through().c_str(), R_OK | X_OK) < 0) {
    throw refused(workspace.path(), "cannot be read by you", "Give yourself the right to read and search it.");
  }
  refuse_system(workspace);
  for (const std::string& root : {roots.state, roots.runtime, roots.cache}) {
    if (decides(workspace, root) || lies_in(workspace, root)) {
      throw refused(workspace.path(), "holds what agentvm itself keeps in " + resolved_root(root), narrower);
    }
  }
  refuse_profiles(workspace);
  refuse_programs(workspace);
  return workspace;
}

std::string workspace_here(const state::Roots& roots) {
  try {
    return check_workspace(".", roots).path();
  } catch (const Error&) {
    return {};
  }
}

}  // namespace agentvm::commands
