// beneath.hpp - reads and copies files of a directory that somebody else may be writing in: nothing outside of it,
// ever.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "base/held_directory.hpp"

namespace agentvm::devshell {

struct FileContent {
  std::string text;  ///< of a file, its first `limit` bytes; of a link, its target
  bool link = false;
  bool executable = false;
};
/// A regular file or a link below a directory; a link on the way is as if nothing were there. nullopt when there is
/// neither. A FIFO is not waited for.
std::optional<FileContent> read_beneath(const HeldDirectory& directory, const std::string& path, std::size_t limit);

/// As read_beneath(), but of a file every byte, handed on in pieces of 64 KiB (the last may be shorter); `text` is then
/// empty. Throws Error when it has more than `limit` bytes.
std::optional<FileContent> read_whole_beneath(const HeldDirectory& directory, const std::string& path,
                                              std::size_t limit,
                                              const std::function<void(const std::string& piece)>& each);

/// Copies a regular file (with its right to be executed) or a link to the same path below `to`, where nothing may be
/// yet; directories are made. Returns the bytes taken: of the file, and a block for the file and each directory; 0
/// when there is neither. Throws Error naming the file when it cannot be read or written, or takes more than `limit`
/// bytes.
std::size_t copy_beneath(const HeldDirectory& from, const std::string& path, const HeldDirectory& to,
                         std::size_t limit);

}  // namespace agentvm::devshell
