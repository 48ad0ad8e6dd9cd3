// uevents.cpp - the kernel's device events.
#include "guest/uevents.hpp"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"

namespace agentvm::guest {

UeventSocket::UeventSocket() {
  fd_.reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd_) throw system_error(errno, "making a uevent socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;  // the kernel's own group; udev's is 2
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    throw system_error(errno, "binding a uevent socket");
  }
}

bool UeventSocket::wait_until(std::chrono::steady_clock::time_point deadline) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd item{fd_.get(), POLLIN, 0};
    const int ready = poll(&item, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30)));
    if (ready == 0) return false;
    if (ready < 0 && errno != EINTR) throw system_error(errno, "waiting for a device");
    if (ready < 0) continue;
    char message[8192];
    ssize_t got = 0;
    // ENOBUFS says that events were lost: as good as one.
    while ((got = recv(fd_.get(), message, sizeof message, 0)) > 0 || (got < 0 && errno == ENOBUFS)) {
    }
    return true;
  }
}

}  // namespace agentvm::guest
