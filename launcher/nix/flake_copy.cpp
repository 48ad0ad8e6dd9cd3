// flake_copy.cpp - makes copies of flakes, and takes dead ones away.
#include "launcher/nix/flake_copy.hpp"

#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>

#include "base/error.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/nix/build_lock.hpp"
#include "launcher/nix/flake_files.hpp"
#include "launcher/state/identity.hpp"
#include "launcher/state/vm_processes.hpp"

namespace agentvm::devshell {

namespace {

constexpr off_t largest_flake_file = off_t{16} << 20;
constexpr std::size_t uuid_length = 36;
/// Seconds between making a directory and renaming it, at most.
constexpr std::time_t lock_grace = 10;
constexpr std::chrono::seconds kill_limit{5};

void check_file(const std::string& place, const std::string& name, const std::string& workspace) {
  struct stat info {};
  if (lstat((place + "/" + name).c_str(), &info) < 0) return;
  if (S_ISREG(info.st_mode) && info.st_size <= largest_flake_file) return;
  throw Error(workspace + "/" + name + " must be a file of at most 16 MiB, and no link");
}

bool is_dead(const std::string& copy) {
  struct stat info {};
  if (FileLock::is_held(copy + "/lock")) return false;
  if (copy.find(std::string("/") + unfinished) != std::string::npos) return true;
  return lstat(copy.c_str(), &info) == 0 && info.st_mtime < std::time(nullptr) - lock_grace;
}

}  // namespace

FlakeCopy::FlakeCopy(const HeldDirectory& workspace, const std::string& directory)
    : directory_(directory + "/" + begun + "XXXXXX"), uuid_(state::random_uuid()) {
  make_directories(directory);
  if (mkdtemp(directory_.data()) == nullptr) throw system_error(errno, "making a directory in " + directory);
  try {
    lock_ = image::lock_build(directory_ + "/lock");
    write_file_atomic(directory_ + "/uuid", uuid_);
    // Under this name it is locked as long as its owner lives.
    const std::string name = directory + "/" + unfinished + directory_.substr(directory_.size() - 6);
    if (rename(directory_.c_str(), name.c_str()) < 0) throw system_error(errno, "renaming " + directory_);
    directory_ = name;
    const std::vector<std::string> files = flake_files(workspace);
    copy_flake(workspace, files, place());
    for (const char* file : {"flake.nix", "flake.lock"}) check_file(place(), file, workspace.path());
    key_ = flake_key(workspace.path(), HeldDirectory::resolve(place()), files);
  } catch (...) {
    remove_tree(directory_);
    throw;
  }
}

std::vector<std::string> remove_dead_copies(const std::string& directory, bool dry_run) {
  std::vector<std::string> removed;
  std::string failure;
  for (const std::string& name : host::sorted_entries(directory)) {
    const std::string copy = directory + "/" + name;
    if ((!name.starts_with(unfinished) && !name.starts_with(begun)) || !is_dead(copy)) continue;
    if (!dry_run) {
      const std::string uuid = read_file_if_exists(copy + "/uuid").value_or("");
      if (uuid.size() == uuid_length) {
        for (const auto& process : state::find_processes(uuid, {})) state::end_process(process, kill_limit);
      }
      if (const std::string left = remove_tree(copy); !left.empty()) {
        failure = left;
        continue;
      }
    }
    removed.push_back(copy);
  }
  if (!failure.empty()) throw Error(failure);
  return removed;
}

}  // namespace agentvm::devshell
