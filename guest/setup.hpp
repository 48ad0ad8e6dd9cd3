// setup.hpp - makes a booted guest into one particular VM: shares, files, name, clock.
#pragma once

#include <string>
#include <string_view>

#include "base/wire/guest.hpp"

namespace agentvm::guest {

/// Performs what GuestSetup says, as often as it is asked to: mounts what is not mounted, then writes. Throws Error
/// naming the share or the file. What was done before stays: the host ends the VM.
SetupReply apply_setup(const GuestSetup& setup);

/// Makes one file, symlink or directory with its parents. Never writes through a symlink that stands at its path.
void make_entry(const FileEntry& entry);

/// Whether /proc/self/mountinfo (proc(5)) shows this share at its path: another init mounted it, or an earlier setup.
bool is_mounted(std::string_view mountinfo, const Mount& mount);

/// Mounts a virtiofs share, and makes its directory; one that was plugged in just now is waited for. Read-only shares
/// keep set-user-id programs (sudo is one); a share that the guest can write to has none. Devices are on neither.
void mount_share(const Mount& mount);

/// Milliseconds of CLOCK_BOOTTIME.
std::int64_t uptime_ms() noexcept;

}  // namespace agentvm::guest
