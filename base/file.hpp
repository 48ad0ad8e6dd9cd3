// file.hpp - reads, writes, locks and removes files, with errors that name the path.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace agentvm {

/// The whole file; throws Error when it cannot be read or is longer than `limit` bytes.
std::string read_file(const std::string& path, std::size_t limit = std::size_t{64} << 20);
/// Like read_file, but nullopt when there is no such file.
std::optional<std::string> read_file_if_exists(const std::string& path, std::size_t limit = std::size_t{64} << 20);
/// Writes a temporary file beside `path`, then renames it over: readers see the old text or the new, never a part.
void write_file_atomic(const std::string& path, std::string_view text, unsigned mode = 0600);
/// Writes all bytes to a descriptor, resuming short writes.
void write_all(int fd, std::string_view bytes, std::string_view what = "write");
/// mkdir -p with a mode for the directories it makes.
void make_directories(const std::string& path, unsigned mode = 0700);
/// rm -rf that stays on one file system and follows no link; what cannot be removed is reported in the return value
/// (empty: all gone). Directories without permission bits (overlayfs work/work) are opened up first.
std::string remove_tree(const std::string& path) noexcept;

/// An exclusive flock(2) on a file, held until destroyed or until the process dies.
class [[nodiscard]] FileLock {
 public:
  /// nullopt: somebody else holds it.
  static std::optional<FileLock> try_acquire(const std::string& path);
  /// Whether anybody (us included, through another descriptor) holds the lock; a missing file is not held.
  static bool is_held(const std::string& path);
  /// Takes over a descriptor that holds the lock already: flock(2) belongs to the open file, so it survives exec.
  static FileLock adopt(UniqueFd fd) noexcept { return FileLock(std::move(fd)); }
  int fd() const noexcept { return fd_.get(); }

 private:
  explicit FileLock(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace agentvm
