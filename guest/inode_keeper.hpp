// inode_keeper.hpp - gives the kernel's unused inodes back before the host runs out of descriptors for them.
//
// virtiofsd holds a descriptor for every inode that the guest's kernel remembers, and the kernel forgets none while it
// has memory: a guest that has read as many files as the host's limit allows could open no other, for good.
#pragma once

#include <cstdint>
#include <string_view>

namespace agentvm::guest {

/// From the first call to the end of the program, a thread looks at the number of inodes and drops what nobody uses
/// when it passes half of the limit. Another call sets another limit; 0: none. Throws std::system_error without
/// threads.
void keep_inodes_below(std::uint64_t limit);

/// Inodes in memory by /proc/sys/fs/inode-nr (proc(5)), all less the free ones; 0 for anything else.
std::uint64_t inodes_in_use(std::string_view inode_nr) noexcept;

}  // namespace agentvm::guest
