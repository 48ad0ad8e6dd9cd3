// init.cpp - the initramfs of a made-up NixOS: drivers, the store as microvm.nix mounts it, then the system's init.
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <sstream>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "guest/modules.hpp"

namespace {

void mount_on(const char* source, const char* place, const char* type, unsigned long flags) {
  agentvm::make_directories(place, 0755);
  if (mount(source, place, type, flags, nullptr) < 0)
    throw agentvm::system_error(errno, std::string("mounting ") + place);
}

/// networkd's part: the agent reaches its model on it.
void bring_loopback_up() {
  const agentvm::UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd.get(), SIOCSIFFLAGS, &request) < 0) throw agentvm::system_error(errno, "bringing up lo");
}

/// The console is there when its driver is.
void print(const std::string& lines) {
  const agentvm::UniqueFd console(open("/dev/console", O_WRONLY | O_CLOEXEC));
  if (console) agentvm::write_all(console.get(), lines, "writing to the console");
}

/// As systemd's first stage does when it has failed: it waits for somebody at the console. The words are those that
/// systemd 262 printed in a NixOS guest.
[[noreturn]] void give_up() {
  print(
      "[FAILED] Failed to mount sysroot.mount - /sysroot.\r\n"
      "You are in emergency mode. After logging in, type \"journalctl -xb\" to view\r\n");
  for (;;) pause();
}

void boot() {
  mount_on("proc", "/proc", "proc", 0);
  mount_on("sysfs", "/sys", "sysfs", 0);
  mount_on("devtmpfs", "/dev", "devtmpfs", 0);
  for (const std::string& failure : agentvm::guest::load_modules(agentvm::guest::open_modules("/modules.list"))) {
    std::fprintf(stderr, "init: %s\n", failure.c_str());
  }
  print("Booting initrd of NixOS 26.11 (Zokor) (Initrd)...\r\n");
  const std::string parameters = agentvm::read_file("/proc/cmdline");
  if (parameters.find("test.emergency") != std::string::npos) give_up();
  const bool disk = access("/dev/vda", F_OK) == 0;
  mount_on(disk ? "/dev/vda" : "ro-store", "/nix/.ro-store", disk ? "ext4" : "virtiofs", MS_RDONLY);
  mount_on("/nix/.ro-store", "/nix/store", nullptr, MS_BIND);
  bring_loopback_up();
  std::istringstream words(parameters);
  std::string init;
  for (std::string word; words >> word;) {
    if (word.rfind("init=", 0) == 0) init = word.substr(5);
  }
  execl(init.c_str(), init.c_str(), nullptr);
  throw agentvm::system_error(errno, "starting '" + init + "'");
}

}  // namespace

int main() {
  try {
    boot();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "init: %s\n", error.what());
  }
  reboot(RB_POWER_OFF);
  return 1;
}
