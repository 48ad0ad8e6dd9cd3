// setup.hpp - makes a booted guest into one particular VM: shares, files, name, clock.
#pragma once

#include <cstdint>
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

/// Mounts a virtiofs share, and makes its directory; one that was plugged in just now is waited for. /usr alone keeps
/// its set-user-id programs (sudo is one); no share has devices.
void mount_share(const Mount& mount);

/// Gives a mount that another init made the options that mount_share would have given it: that init knows the profile's
/// definition, and not that one run may only read. Throws Error. mount_setattr(2): Linux 5.12.
void restrict_mount(const Mount& mount);

/// Whether the guest's clock must be set to the host's time: when it is behind, and when it is ahead by more than the
/// time that was on its way, unless the real-time clock (`rtc_ms`, 0: none) tells that the host's time is an old one
/// and agrees with the guest's clock. All in milliseconds since 1970.
bool clock_is_wrong(std::int64_t now_ms, std::int64_t host_ms, std::int64_t rtc_ms) noexcept;

/// Sets the clock to the host's time, milliseconds since 1970, where clock_is_wrong. Throws Error.
void set_clock(std::int64_t host_ms);

/// Milliseconds of CLOCK_BOOTTIME.
std::int64_t uptime_ms() noexcept;

}  // namespace agentvm::guest
