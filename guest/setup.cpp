// setup.cpp - shares, files, name and clock of one VM.
#include "guest/setup.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "base/error.hpp"
#include "base/file.hpp"
#include "guest/entropy.hpp"
#include "guest/inode_keeper.hpp"
#include "guest/network.hpp"
#include "guest/uevents.hpp"

namespace agentvm::guest {

namespace {

/// The host's time is on its way for some milliseconds, so a clock ahead of it by as much may be right.
constexpr std::int64_t delivery_ms = 20;
/// How exact the machine's real-time clock is, and how long after it the host's time may have been taken.
constexpr std::int64_t rtc_tolerance_ms = 2000;
/// From a share's arrival at the machine until its driver knows it.
constexpr std::chrono::seconds plug_limit{5};

std::int64_t clock_ms(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

/// The machine's real-time clock, which the VMM keeps by the host's; 0: there is none.
std::int64_t rtc_ms() {
  const std::string text = read_file_if_exists("/sys/class/rtc/rtc0/since_epoch").value_or("");
  return static_cast<std::int64_t>(std::strtoll(text.c_str(), nullptr, 10)) * 1000;
}

/// sudo, su and fusermount are in /usr; nothing else of the host's is entitled to anything in here.
bool keeps_set_user_id(const Mount& mount) {
  return mount.path == "/usr";
}

void make_parents(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash != 0 && slash != std::string::npos) make_directories(path.substr(0, slash), 0755);
}

void own(const FileEntry& entry) {
  if (lchown(entry.path.c_str(), entry.uid, entry.gid) < 0) {
    throw system_error(errno, "giving " + entry.path + " to user " + std::to_string(entry.uid));
  }
}

void make_directory(const FileEntry& entry) {
  struct stat info {};
  if (mkdir(entry.path.c_str(), 0700) < 0 && errno != EEXIST) throw system_error(errno, "making " + entry.path);
  if (lstat(entry.path.c_str(), &info) < 0 || !S_ISDIR(info.st_mode)) {
    throw system_error(ENOTDIR, "making the directory " + entry.path);
  }
  own(entry);
  if (chmod(entry.path.c_str(), entry.mode) < 0) throw system_error(errno, "setting the mode of " + entry.path);
}

void make_file(const FileEntry& entry) {
  UniqueFd fd(open(entry.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw system_error(errno, "making " + entry.path);
  write_all(fd.get(), entry.content, "writing " + entry.path);
  // The owner first: chown(2) takes set-user-id bits away.
  if (fchown(fd.get(), entry.uid, entry.gid) < 0) {
    throw system_error(errno, "giving " + entry.path + " to user " + std::to_string(entry.uid));
  }
  if (fchmod(fd.get(), entry.mode) < 0) throw system_error(errno, "setting the mode of " + entry.path);
}

/// What would end a field or a line is written as \ooo (seq_file's mangle_path).
std::string as_in_mountinfo(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == ' ') {
      out += "\\040";
    } else if (c == '\t') {
      out += "\\011";
    } else if (c == '\n') {
      out += "\\012";
    } else if (c == '\\') {
      out += "\\134";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::int64_t uptime_ms() noexcept {
  return clock_ms(CLOCK_BOOTTIME);
}

void make_entry(const FileEntry& entry) {
  make_parents(entry.path);
  if (entry.directory) {
    make_directory(entry);
    return;
  }
  if (unlink(entry.path.c_str()) < 0 && errno != ENOENT) throw system_error(errno, "replacing " + entry.path);
  if (entry.target.empty()) {
    make_file(entry);
    return;
  }
  if (symlink(entry.target.c_str(), entry.path.c_str()) < 0) throw system_error(errno, "making " + entry.path);
  own(entry);
}

bool is_mounted(std::string_view mountinfo, const Mount& mount) {
  const std::string place = " " + as_in_mountinfo(mount.path) + " ";
  const std::string what = " - virtiofs " + mount.tag + " ";
  while (!mountinfo.empty()) {
    const std::size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    const std::string_view line = mountinfo.substr(0, end);
    mountinfo.remove_prefix(std::min(mountinfo.size(), end + 1));
    // ID PARENT MAJOR:MINOR ROOT PLACE ...: the place comes before anything else that could look like it.
    std::size_t at = 0;
    for (int field = 0; field < 4 && at != std::string_view::npos; ++field)
      at = line.find(' ', at + (field > 0 ? 1 : 0));
    if (at == std::string_view::npos || !line.substr(at).starts_with(place)) continue;
    if (line.find(what, at) != std::string_view::npos) return true;
  }
  return false;
}

void mount_share(const Mount& mount) {
  make_directories(mount.path, 0755);
  unsigned long flags = MS_NODEV;
  if (!keeps_set_user_id(mount)) flags |= MS_NOSUID;
  if (mount.read_only) flags |= MS_RDONLY;
  const UeventSocket events;
  const auto deadline = std::chrono::steady_clock::now() + plug_limit;
  while (::mount(mount.tag.c_str(), mount.path.c_str(), "virtiofs", flags, nullptr) < 0) {
    const int error = errno;
    // EINVAL: virtiofs knows no such tag. One that was plugged in just now becomes known while we listen.
    if (error == EINVAL && events.wait_until(deadline)) continue;
    throw system_error(error, "mounting the share " + mount.tag + " on " + mount.path);
  }
}

void restrict_mount(const Mount& mount) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NODEV;
  if (!keeps_set_user_id(mount)) attributes.attr_set |= MOUNT_ATTR_NOSUID;
  if (mount.read_only) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  if (syscall(SYS_mount_setattr, AT_FDCWD, mount.path.c_str(), 0, &attributes, sizeof attributes) < 0)
    throw system_error(errno, "restricting the mount of " + mount.path);
}

bool clock_is_wrong(std::int64_t now_ms, std::int64_t host_ms, std::int64_t rtc_ms) noexcept {
  if (now_ms < host_ms) return true;
  if (now_ms - host_ms <= delivery_ms) return false;
  const bool late = rtc_ms - host_ms > rtc_tolerance_ms;
  return !(late && std::llabs(rtc_ms - now_ms) <= rtc_tolerance_ms);
}

void set_clock(std::int64_t host_ms) {
  const std::int64_t now = clock_ms(CLOCK_REALTIME);
  if (!clock_is_wrong(now, host_ms, now > host_ms ? rtc_ms() : 0)) return;
  timespec time{};
  time.tv_sec = host_ms / 1000;
  time.tv_nsec = host_ms % 1000 * 1'000'000;
  if (clock_settime(CLOCK_REALTIME, &time) < 0) throw system_error(errno, "setting the clock");
}

SetupReply apply_setup(const GuestSetup& setup) {
  const std::int64_t start = uptime_ms();
  if (setup.clock_unix_ms != 0) set_clock(setup.clock_unix_ms);
  if (!setup.entropy.empty()) mix_entropy(setup.entropy);
  for (const Mount& mount : setup.mounts) {
    if (is_mounted(read_file("/proc/self/mountinfo"), mount)) {
      restrict_mount(mount);
    } else {
      mount_share(mount);
    }
  }
  keep_inodes_below(setup.inode_limit);
  // As udev's rules have it (50-udev-default.rules); the device came with virtiofs, which needs FUSE.
  static_cast<void>(chmod("/dev/fuse", 0666));
  if (!setup.hostname.empty()) {
    if (sethostname(setup.hostname.c_str(), setup.hostname.size()) < 0) {
      throw system_error(errno, "naming the guest " + setup.hostname);
    }
    make_entry({.path = "/etc/hostname", .content = setup.hostname + "\n"});
  }
  // Another init has it from the kernel's command line, and may have mounted over the file.
  if (!setup.machine_id.empty() && read_file_if_exists("/etc/machine-id") != setup.machine_id + "\n") {
    make_entry({.path = "/etc/machine-id", .content = setup.machine_id + "\n", .mode = 0444});
  }
  for (const FileEntry& entry : setup.files) make_entry(entry);
  if (setup.network) set_up_network(*setup.network);
  const std::int64_t end = uptime_ms();
  return {end - start, end, !setup.entropy.empty()};
}

}  // namespace agentvm::guest
