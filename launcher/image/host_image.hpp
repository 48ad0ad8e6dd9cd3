// host_image.hpp - the initramfs of a host guest: built in-process, cached by what went into it.
//
// It holds /init (the static agentvm-guest), /modules/*.ko with /modules.list (one absolute path a line, in the order
// to insert them), /etc and /var: see etc_skeleton.hpp.
//
// CACHE/images/HASH/initramfs.cpio. HASH is the SHA-256 of the identity of every input (path, size, inode, mtime, mode
// and link target) and of the format's version, so a changed input makes another image and a warm lookup reads none.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "launcher/host/kernel_modules.hpp"

namespace agentvm::image {

struct HostImageRequest {
  std::string modules;        ///< directory lib/modules/VERSION of the guest's kernel
  std::string agentvm_guest;  ///< the static guest program
  std::string cache_dir;      ///< agentvm's cache
  std::string etc = "/etc";   ///< where the /etc skeleton is taken from
  std::string var = "/var";   ///< likewise of /var
  GuestDevices devices = {};
};

/// The path of the initramfs, made first if it is not in the cache. Any number of processes may ask at once. Throws
/// Error naming the file that could not be read or written; leaves nothing partial.
std::string build_host_initramfs(const HostImageRequest& request);

/// Removes cached images not used for `age`, never the one used last. Returns
/// the paths removed (or with `dry_run`, those it would remove).
std::vector<std::string> prune_images(const std::string& cache_dir, std::chrono::hours age, bool dry_run);

}  // namespace agentvm::image
