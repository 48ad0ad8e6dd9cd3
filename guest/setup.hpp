// setup.hpp - makes a booted guest into one particular VM: shares, files, name, clock.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "guest/protocol.hpp"

namespace agentvm::guest {

/// Performs what GuestSetup says, as often as it is asked to.
class Setup {
 public:
  /// Mounts, then writes. Throws Error naming the share or the file. What was done before stays: the host ends the VM.
  SetupReply apply(const GuestSetup& setup);

 private:
  std::set<std::pair<std::string, std::string>> mounted_;  // tag, path
};

/// Makes one file, symlink or directory with its parents. Never writes through a symlink that stands at its path.
void make_entry(const FileEntry& entry);

/// Mounts a virtiofs share, and makes its directory; one that was plugged in just now is waited for. Read-only shares
/// keep set-user-id programs (sudo is one); a share that the guest can write to has none. Devices are on neither.
void mount_share(const Mount& mount);

/// Milliseconds of CLOCK_BOOTTIME.
std::int64_t uptime_ms() noexcept;

}  // namespace agentvm::guest
