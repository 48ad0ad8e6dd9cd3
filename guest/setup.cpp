// setup.cpp - shares, files, name and clock of one VM.
#include "guest/setup.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "base/error.hpp"
#include "base/file.hpp"
#include "guest/network.hpp"
#include "guest/uevents.hpp"

namespace agentvm::guest {

namespace {

constexpr std::int64_t clock_tolerance_ms = 1000;
/// From a share's arrival at the machine until its driver knows it.
constexpr std::chrono::seconds plug_limit{5};

std::int64_t clock_ms(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

void set_clock(std::int64_t unix_ms) {
  if (std::llabs(clock_ms(CLOCK_REALTIME) - unix_ms) <= clock_tolerance_ms) return;
  timespec time{};
  time.tv_sec = unix_ms / 1000;
  time.tv_nsec = unix_ms % 1000 * 1'000'000;
  if (clock_settime(CLOCK_REALTIME, &time) < 0) throw system_error(errno, "setting the clock");
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
  const unsigned long flags = MS_NODEV | (mount.read_only ? MS_RDONLY : MS_NOSUID);
  const UeventSocket events;
  const auto deadline = std::chrono::steady_clock::now() + plug_limit;
  while (::mount(mount.tag.c_str(), mount.path.c_str(), "virtiofs", flags, nullptr) < 0) {
    const int error = errno;
    // EINVAL: virtiofs knows no such tag. One that was plugged in just now becomes known while we listen.
    if (error == EINVAL && events.wait_until(deadline)) continue;
    throw system_error(error, "mounting the share " + mount.tag + " on " + mount.path);
  }
}

SetupReply apply_setup(const GuestSetup& setup) {
  const std::int64_t start = uptime_ms();
  if (setup.clock_unix_ms != 0) set_clock(setup.clock_unix_ms);
  for (const Mount& mount : setup.mounts) {
    if (!is_mounted(read_file("/proc/self/mountinfo"), mount)) mount_share(mount);
  }
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
  return {end - start, end};
}

}  // namespace agentvm::guest
