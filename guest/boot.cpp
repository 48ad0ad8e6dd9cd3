// boot.cpp - the first steps of PID 1.
#include "guest/boot.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::guest {

namespace {

constexpr rlim_t max_descriptors = 65536;

struct KernelMount {
  const char* type;
  const char* path;
  unsigned long flags;
  const char* options;
  bool needed;
};

// devpts: gid 5 is Debian's group tty.
constexpr std::array kernel_mounts{
    KernelMount{"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "", true},
    KernelMount{"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, "", true},
    KernelMount{"devtmpfs", "/dev", MS_NOSUID, "mode=755", true},
    KernelMount{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666", true},
    KernelMount{"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777", true},
    KernelMount{"cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "", false},
};

struct DeviceLink {
  const char* path;
  const char* target;
};

constexpr std::array device_links{
    DeviceLink{"/dev/fd", "/proc/self/fd"},
    DeviceLink{"/dev/stdin", "/proc/self/fd/0"},
    DeviceLink{"/dev/stdout", "/proc/self/fd/1"},
    DeviceLink{"/dev/stderr", "/proc/self/fd/2"},
};

void bring_loopback_up() noexcept {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd.get(), SIOCSIFFLAGS, &request) < 0) say(system_error(errno, "bringing up lo").what());
}

}  // namespace

BootOptions parse_boot_options(std::string_view command_line) {
  constexpr std::string_view disk_key = "agentvm.disk=";
  constexpr std::string_view transport_key = "agentvm.transport=";
  BootOptions options;
  while (!command_line.empty()) {
    const std::size_t end = command_line.find_first_of(" \n");
    std::string_view word = command_line.substr(0, end);
    command_line.remove_prefix(end == std::string_view::npos ? command_line.size() : end + 1);
    if (word.starts_with(disk_key)) {
      word.remove_prefix(disk_key.size());
      const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), options.disk_bytes);
      if (error != std::errc{} || rest != word.data() + word.size()) {
        throw Error("agentvm.disk on the kernel command line must be a number of bytes, not " + std::string(word));
      }
    } else if (word.starts_with(transport_key)) {
      word.remove_prefix(transport_key.size());
      const auto transport = parse_transport(word);
      if (!transport) {
        throw Error("agentvm.transport on the kernel command line must be virtio-serial or vsock, not " +
                    std::string(word));
      }
      options.transport = *transport;
    }
  }
  return options;
}

void mount_kernel_filesystems() {
  for (const KernelMount& item : kernel_mounts) {
    mkdir(item.path, 0755);
    if (mount(item.type, item.path, item.type, item.flags, item.options) < 0 && errno != EBUSY && item.needed) {
      throw system_error(errno, std::string("mounting ") + item.type + " on " + item.path);
    }
  }
  for (const DeviceLink& link : device_links) {
    if (symlink(link.target, link.path) < 0 && errno != EEXIST) throw system_error(errno, link.path);
  }
}

void open_stdio() noexcept {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free number is this one. CLOEXEC would be wrong: it is what a program started from here writes to.
    if (open("/dev/console", O_RDWR | O_NOCTTY) < 0) open("/dev/null", O_RDWR);  // NOLINT(android-cloexec-open)
  }
}

void configure_kernel() noexcept {
  bring_loopback_up();
  const rlimit descriptors{max_descriptors, max_descriptors};
  setrlimit(RLIMIT_NOFILE, &descriptors);
  umask(022);
  try {
    // Errors and worse only: every line on an emulated serial port costs the guest a millisecond.
    const UniqueFd printk(open("/proc/sys/kernel/printk", O_WRONLY | O_CLOEXEC));
    if (printk) write_all(printk.get(), "3 4 1 3\n");
  } catch (const Error& error) {
    say(error.what());
  }
}

void say(std::string_view sentence) noexcept {
  try {
    write_all(STDERR_FILENO, "agentvm-guest: " + std::string(sentence) + "\n");
  } catch (const std::exception&) {
    return;  // there is nobody left to tell
  }
}

}  // namespace agentvm::guest
