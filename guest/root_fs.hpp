// root_fs.hpp - builds the guest's root on a tmpfs and moves into it.
#pragma once

#include <cstdint>
#include <string>

namespace agentvm::guest {

/// Copies a directory's content (files, directories, symlinks; modes and owners) into another that exists. Throws
/// Error naming the path; other kinds of files are left out.
void copy_tree(const std::string& from, const std::string& to);

/// Makes the directories and symlinks every Linux system has, in a root that is empty: usr-merged, with /usr itself
/// left to be mounted.
void make_skeleton(const std::string& root);

/// Mounts a tmpfs of `disk_bytes` (0: half of the memory) at `root`, fills it with the skeleton and the initramfs'
/// /etc, and puts the running program at /run/agentvm/agentvm-guest of it. /proc must be mounted.
void build_root(const std::string& root, std::uint64_t disk_bytes);

/// Moves /proc, /sys and /dev into the new root, empties the initramfs, and makes the new root the root of everything.
void switch_root(const std::string& root);

}  // namespace agentvm::guest
