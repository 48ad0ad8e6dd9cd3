// held_directory.hpp - a directory that was looked at once and is a descriptor from then on.
//
// A path that was checked and is opened again by its text may lead elsewhere by then: whoever owns a directory above it
// can rename. So a directory is resolved once, what is decided about it is decided about the descriptor, and everything
// later (virtiofsd, the listing of changes, a flake's copy, a report) starts from the descriptor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"

namespace agentvm {

/// Opens a path below the directory `dir_fd` (or an absolute one, with AT_FDCWD) through no symbolic link, the last
/// part included, and below it through no "..". An invalid descriptor and errno when that fails: ELOOP or ENOTDIR for a
/// link. By openat2(2) (Linux 5.6); on an older kernel by open_by_steps, with the same result.
UniqueFd open_without_links(int dir_fd, const std::string& path, int flags, unsigned mode = 0);
/// The same, one directory at a time.
UniqueFd open_by_steps(int dir_fd, const std::string& path, int flags, unsigned mode = 0);

/// Where a path leads now.
struct ResolvedPath {
  UniqueFd fd;                          ///< O_PATH: whatever is there, a directory or not
  std::string path;                     ///< the kernel's name for it: absolute, without links
  std::vector<std::string> links_in{};  ///< the directories in which a link was followed on the way, likewise
};
/// Follows the links of a path, one step at a time, each from the descriptor of the one before. With
/// `others_links` = false only those that belong to root or to us: another user's would lead where they please.
/// Throws Error naming the part that is missing, cannot be searched, or is another user's link (errno in `error`).
ResolvedPath resolve_path(const std::string& path, bool others_links, int* error = nullptr);

/// A directory held open. A handle: copies share the descriptor.
class HeldDirectory {
 public:
  /// Holds none; only to be assigned to.
  HeldDirectory() = default;
  /// Resolves a path as resolve_path does, without others' links and those by which a guest leads out of its own
  /// directory (base/startable.hpp). Throws Error; `error` as there, ENOTDIR for a file, EACCES for such a link.
  static HeldDirectory resolve(const std::string& path, int* error = nullptr);
  /// Takes over a descriptor that was inherited. Throws Error unless it is a directory's.
  static HeldDirectory adopt(UniqueFd fd);

  int fd() const noexcept { return fd_ ? fd_->get() : -1; }
  explicit operator bool() const noexcept { return fd() >= 0; }
  /// The kernel's name for it when it was opened: for decisions about places and for messages, not to be opened.
  const std::string& path() const noexcept { return path_; }
  /// Whether a link was followed to it when it was resolved.
  bool behind_link() const noexcept { return behind_link_; }
  /// A path that leads to the very directory, within this process: for what takes paths alone.
  std::string through() const { return "/proc/self/fd/" + std::to_string(fd()); }

  /// Opens what lies below, as open_without_links does. The directory itself is ".".
  UniqueFd open(const std::string& below, int flags, unsigned mode = 0) const;
  /// Where a link below leads; nullopt: it is none.
  std::optional<std::string> link_target(const std::string& below) const;
  /// The directory this one lies in now; nullopt for the root, and where it cannot be opened.
  std::optional<HeldDirectory> parent() const;
  /// The directory of a path below, with those above it made where they are missing; `made` counts the new ones.
  /// Throws Error naming the one that cannot be made or is a link.
  HeldDirectory make_parent_of(const std::string& below, unsigned mode, std::size_t* made = nullptr) const;
  /// A temporary file beside `name`, renamed over it. Throws Error naming it.
  void write_file(const std::string& name, std::string_view text, unsigned mode) const;

  /// Whether it is `outer` or lies below it, by what the directories are and not what they are called: a second mount
  /// of the same directory counts.
  bool lies_in(const HeldDirectory& outer) const;

 private:
  HeldDirectory(UniqueFd fd, std::string path)
      : fd_(std::make_shared<const UniqueFd>(std::move(fd))), path_(std::move(path)) {}

  std::shared_ptr<const UniqueFd> fd_;
  std::string path_;
  bool behind_link_ = false;
};

/// Whether `path` is `directory` or below it. Both absolute, without links and slashes at the end.
bool lies_within(std::string_view path, std::string_view directory);

}  // namespace agentvm
