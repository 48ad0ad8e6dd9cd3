// beneath.hpp - reads files of a directory that somebody else may be writing in: nothing outside of it, ever.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"

namespace agentvm::devshell {

/// A directory whose files are opened by paths relative to it, with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS
/// (openat2(2), Linux 5.6): a link on the way is as if nothing were there.
class Beneath {
 public:
  /// Throws Error when the directory cannot be opened.
  explicit Beneath(std::string directory);

  struct Content {
    std::string text;  ///< of a file, its first `limit` bytes; of a link, its target
    bool link = false;
    bool executable = false;
  };
  /// A regular file or a link; nullopt when there is neither. A FIFO is not waited for.
  std::optional<Content> read(const std::string& path, std::size_t limit) const;

  /// As read(), but of a file every byte, handed on in pieces of 64 KiB (the last may be shorter); `text` is then
  /// empty. Throws Error when it has more than `limit` bytes.
  std::optional<Content> read_whole(const std::string& path, std::size_t limit,
                                    const std::function<void(const std::string& piece)>& each) const;

  /// Copies a regular file (with its right to be executed) or a link to the same path below `to`, where nothing may be
  /// yet; directories are made. Returns the bytes taken: of the file, and a block for the file and each directory; 0
  /// when there is neither. Throws Error naming the file when it cannot be read or written, or takes more than `limit`
  /// bytes.
  std::size_t copy(const std::string& path, const Beneath& to, std::size_t limit) const;

 private:
  UniqueFd open_beneath(const std::string& path, int flags) const;
  std::optional<std::string> link_target(const std::string& path) const;
  /// The directory that a path of ours lies in, with those above it; `made` counts the new ones.
  UniqueFd make_parent(const std::string& path, std::size_t& made) const;

  std::string directory_;
  UniqueFd fd_;
};

}  // namespace agentvm::devshell
