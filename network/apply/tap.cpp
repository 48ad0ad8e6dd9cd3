// tap.cpp - /dev/net/tun.
#include "network/apply/tap.hpp"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::network {

namespace {
constexpr char device[] = "/dev/net/tun";
}

void make_tap(const std::string& name, uid_t owner, bool multi_queue, const std::function<void()>& mark) {
  UniqueFd tun(open(device, O_RDWR | O_CLOEXEC));
  if (!tun) throw system_error(errno, std::string("opening ") + device, "Load the kernel's module: modprobe tun.");
  ifreq request{};
  if (name.empty() || name.size() >= sizeof request.ifr_name) throw Error("\"" + name + "\" cannot name a tap");
  std::memcpy(request.ifr_name, name.data(), name.size());
  // IFF_TUN_EXCL: never join a device that is there already.
  unsigned flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL;
  if (multi_queue) flags |= IFF_MULTI_QUEUE;
  request.ifr_flags = static_cast<short>(flags);
  if (ioctl(tun.get(), TUNSETIFF, &request) < 0) throw system_error(errno, "making the tap " + name);
  if (ioctl(tun.get(), TUNSETOWNER, static_cast<unsigned long>(owner)) < 0) {
    throw system_error(errno, "giving the tap " + name + " to user " + std::to_string(owner));
  }
  mark();
  if (ioctl(tun.get(), TUNSETPERSIST, 1UL) < 0) throw system_error(errno, "keeping the tap " + name);
}

std::string tap_obstacle() {
  const UniqueFd tun(open(device, O_RDWR | O_CLOEXEC));
  return tun ? "" : system_error(errno, device).what();
}

}  // namespace agentvm::network
