// reservation.cpp - a directory made aside under a hidden name, locked, then renamed into its place.
#include "launcher/state/reservation.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/directory.hpp"
#include "base/error.hpp"

namespace agentvm::state {

namespace {

constexpr char unfinished_prefix[] = ".new-";

}  // namespace

std::optional<Reservation> reserve(const Roots& roots, const std::string& name) {
  VmPaths paths = vm_paths(roots, name);
  make_directories(roots.state + "/vms");
  make_directories(roots.runtime);
  std::string aside = roots.state + "/vms/" + unfinished_prefix + "XXXXXX";
  if (mkdtemp(aside.data()) == nullptr) throw system_error(errno, "making a directory in " + roots.state + "/vms");
  try {
    std::optional<FileLock> lock = FileLock::try_acquire(aside + "/lock");
    if (!lock) throw Error("somebody else locked the new directory " + aside);
    // rename(2) replaces nothing but an empty directory, so two runs cannot both get the name.
    if (std::rename(aside.c_str(), paths.state_dir.c_str()) < 0) {
      const int error = errno;
      if (error != ENOTEMPTY && error != EEXIST) throw system_error(error, "making the directory " + paths.state_dir);
      remove_tree(aside);
      return std::nullopt;
    }
    aside = paths.state_dir;
    make_directories(paths.runtime_dir);
    return Reservation{std::move(paths), std::move(*lock)};
  } catch (...) {
    remove_tree(aside);
    throw;
  }
}

std::vector<std::string> prune_unfinished(const Roots& roots, bool dry_run) {
  std::vector<std::string> found;
  const Directory open(opendir((roots.state + "/vms").c_str()));
  if (!open) return found;
  while (const dirent* entry = readdir(open.get())) {
    const std::string name = entry->d_name;
    if (name.rfind(unfinished_prefix, 0) != 0) continue;
    const std::string path = roots.state + "/vms/" + name;
    struct stat info {};
    // A directory that its maker has not locked yet is younger than this by far.
    if (stat(path.c_str(), &info) < 0 || time(nullptr) - info.st_mtime < 60 || FileLock::is_held(path + "/lock"))
      continue;
    if (dry_run || remove_tree(path).empty()) found.push_back(path);
  }
  return found;
}

}  // namespace agentvm::state
