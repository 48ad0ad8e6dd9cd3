// nix_profiles.cpp - finds the directories of profiles that nobody builds any more.
//
// A root's name is a hash and does not say whose it is, but its time does: who finds or builds a root marks the root
// first and the profile's directory after it. A directory that is older than a root did not make it.
#include "launcher/nix/nix_profiles.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::image {

namespace {

namespace fs = std::filesystem;
/// In front of what is being removed; no profile is named so.
const std::string leftover = ".removed-";

using Time = std::pair<std::time_t, long>;  ///< seconds, nanoseconds

std::optional<Time> changed(const std::string& path, mode_t type) {
  struct stat info {};
  if (lstat(path.c_str(), &info) < 0 || (info.st_mode & S_IFMT) != type) return std::nullopt;
  return Time(info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

Time oldest_root(const std::string& roots, const std::vector<std::string>& removed) {
  Time oldest{std::numeric_limits<std::time_t>::max(), 0};
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(roots, ignored)) {
    const std::string path = entry.path();
    const auto time = changed(path, S_IFLNK);
    if (time && std::find(removed.begin(), removed.end(), path) == removed.end()) oldest = std::min(oldest, *time);
  }
  return oldest;
}

/// With the lock, so that nobody builds in it meanwhile; who waits for the lock makes the directory anew. Renamed
/// first: nobody is to find half of it, with a lock that nobody holds.
bool remove_unused(const fs::path& directory, const Time& before) {
  try {
    const auto lock = FileLock::try_acquire(directory / "lock");
    const auto time = changed(directory, S_IFDIR);
    if (!lock || !time || *time >= before) return false;
    const fs::path away = directory.parent_path() / (leftover + directory.filename().string());
    return rename(directory.c_str(), away.c_str()) == 0 && remove_tree(away).empty();
  } catch (const Error&) {
    return false;  // not ours to write
  }
}

}  // namespace

std::vector<std::string> prune_nix_profiles(const std::string& cache_dir, std::chrono::hours age, bool dry_run,
                                            const std::vector<std::string>& removed) {
  const std::string roots = cache_dir + "/nix/roots";
  const Time limit(std::time(nullptr) - std::chrono::duration_cast<std::chrono::seconds>(age).count(), 0);
  const Time before = std::min(limit, oldest_root(roots, removed));
  std::vector<std::string> gone;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(cache_dir + "/nix", ignored)) {
    const std::string path = entry.path();
    const auto time = changed(path, S_IFDIR);
    if (entry.path().filename().string().starts_with(leftover)) {
      if (!dry_run) remove_tree(path);
      continue;
    }
    // A profile's directory has its lock from the first build on; what else lies here is not ours.
    if (!time || *time >= before || path == roots || !changed(path + "/lock", S_IFREG)) continue;
    if (dry_run ? !FileLock::is_held(path + "/lock") : remove_unused(path, before)) gone.push_back(path);
  }
  std::sort(gone.begin(), gone.end());
  return gone;
}

}  // namespace agentvm::image
