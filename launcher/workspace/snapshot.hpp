// snapshot.hpp - what a run changed in its workspace, without trusting anything in it.
//
// Two walks compare size, mtime, inode and mode; texts kept from the first one give line counts. No program is run and
// no file of the workspace is interpreted: its .git/config, hooks and attributes may be the guest's work. Links are not
// followed, other file systems and directories named .git are left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/held_directory.hpp"
#include "launcher/report/report.hpp"

namespace agentvm::workspace {

struct SnapshotLimits {
  std::size_t entries = 50'000;                            ///< files and links looked at
  std::size_t kept_file = std::size_t{256} * 1024;         ///< bytes of the largest text kept
  std::size_t kept_total = std::size_t{32} * 1024 * 1024;  ///< bytes kept in all
};

/// One file or symbolic link as it was.
struct SnapshotEntry {
  std::string path;  ///< relative to the workspace
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::uint64_t inode = 0;
  std::uint32_t mode = 0;  ///< st_mode: type and permissions
  /// Offset in KEEP_DIR/texts of its text (a link's: where it points to), which is `size` bytes long; -1: not kept.
  std::int64_t kept_at = -1;
};

struct Snapshot {
  std::vector<SnapshotEntry> entries;  ///< sorted by path
  std::string keep_dir;
  bool truncated = false;  ///< there was more than the limit allows; all up to the last entry's path is there
  /// What could not be looked at, sorted: "a/b/" a directory that is unreadable, too deep or another file system.
  std::vector<std::string> unread;
};

/// Walks `dir` and keeps its texts below `keep_dir`, which is made (0700). Files that vanish or cannot be read
/// meanwhile are passed over, as is what no path of 4096 bytes reaches or lies more than 128 directories deep. Paths
/// hold the bytes the file system has, which need not be UTF-8. Throws Error when `dir` cannot be read or `keep_dir`
/// cannot be written. May run on any thread.
Snapshot take_snapshot(const HeldDirectory& dir, const std::string& keep_dir, const SnapshotLimits& limits = {});

struct WorkspaceChanges {
  std::vector<supervisor::Report::FileChange> files;  ///< sorted by path
  bool truncated = false;                             ///< more files changed, or were never looked at
};

/// What is different in `dir` now. `max_files` bounds the answer. A file whose text and mode are as before has not
/// changed, whoever wrote it anew. When there are more files than limits.entries, those known from before are looked at
/// all the same: only new ones can be missed. Throws Error when `dir` cannot be read.
WorkspaceChanges changes_since(const Snapshot& before, const HeldDirectory& dir, std::size_t max_files = 10'000,
                               const SnapshotLimits& limits = {});

}  // namespace agentvm::workspace
