// transport.cpp - finds virtio-serial ports by name, or opens vsock connections.
#include "guest/transport.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "base/wire/guest.hpp"

namespace agentvm::guest {

namespace {

using Deadline = std::chrono::steady_clock::time_point;
constexpr char ports_directory[] = "/sys/class/virtio-ports";

int milliseconds_left(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
}

/// The device node of the port of that name, "" when there is none yet.
std::string find_port(const std::string& name) {
  DIR* directory = opendir(ports_directory);
  if (directory == nullptr) return {};
  std::string node;
  while (const dirent* entry = readdir(directory)) {
    const std::string port = entry->d_name;
    if (port.front() == '.') continue;
    const auto text = read_file_if_exists(std::string(ports_directory) + "/" + port + "/name", 4096);
    if (text && *text == name + "\n") node = "/dev/" + port;
  }
  closedir(directory);
  return node;
}

/// A port whose host end is not connected reads as ended, which would look like a host that went away. The driver wakes
/// its pollers when the host connects; edge-triggered, so that the hang-up that stands until then is reported once.
void wait_until_connected(int port, const std::string& name, Deadline deadline) {
  UniqueFd poller(epoll_create1(EPOLL_CLOEXEC));
  epoll_event interest{};
  interest.events = EPOLLIN | EPOLLOUT | EPOLLET;
  if (!poller || epoll_ctl(poller.get(), EPOLL_CTL_ADD, port, &interest) < 0) {
    throw system_error(errno, "watching the port " + name);
  }
  for (;;) {
    epoll_event event{};
    const int ready = epoll_wait(poller.get(), &event, 1, milliseconds_left(deadline));
    if (ready < 0 && errno != EINTR) throw system_error(errno, "watching the port " + name);
    if (ready == 0) throw Error("nobody on the host is connected to the virtio-serial port " + name);
    if (ready > 0 && (event.events & EPOLLHUP) == 0) return;
  }
}

UniqueFd open_port(const std::string& name, const UeventSocket& events, Deadline deadline) {
  for (;;) {
    const std::string node = find_port(name);
    if (!node.empty()) {
      UniqueFd port(open(node.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
      if (port) {
        wait_until_connected(port.get(), name, deadline);
        return port;
      }
      if (errno != ENOENT) throw system_error(errno, "opening the virtio-serial port " + name);
    }
    if (!events.wait_until(deadline)) {
      throw Error("the machine has no virtio-serial port named " + name,
                  "It needs a virtio-serial device, and virtio_console among the initramfs' modules.");
    }
  }
}

UniqueFd vsock_socket() {
  UniqueFd fd(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw system_error(errno, "making a vsock socket", "The guest's kernel needs vsock and a virtio transport.");
  return fd;
}

/// Whether a vsock device has been found and given us an address (vsock(7)).
bool has_vsock() noexcept {
  const UniqueFd device(open("/dev/vsock", O_RDONLY | O_CLOEXEC));
  unsigned cid = VMADDR_CID_ANY;
  return device && ioctl(device.get(), IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) == 0 && cid != VMADDR_CID_ANY;
}

/// The drivers are loaded beside us; the kernel's last word about a device is that it has been bound to one.
void wait_for_vsock(const UeventSocket& events, Deadline deadline) {
  while (!has_vsock()) {
    if (!events.wait_until(deadline)) {
      throw Error("the machine has no vsock",
                  "It needs a virtio vsock device, and vmw_vsock_virtio_transport among the initramfs' modules.");
    }
  }
}

sockaddr_vm vsock_address(unsigned cid, std::uint32_t port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

void wait_for(int fd, short events, Deadline deadline, const std::string& what) {
  pollfd item{fd, events, 0};
  int ready = 0;
  do {
    ready = poll(&item, 1, milliseconds_left(deadline));
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) throw system_error(errno, what);
  if (ready == 0) throw Error(what + ": the host did not answer in time");
}

/// Services first: its connection tells the host that the control port is being listened on.
Links open_vsock_links(const UeventSocket& events, Deadline deadline) {
  wait_for_vsock(events, deadline);
  const std::string control_name = "the control link on vsock port " + std::to_string(control_vsock_port);
  const std::string services_name = "the service link on vsock port " + std::to_string(services_vsock_port);
  UniqueFd listener = vsock_socket();
  const sockaddr_vm here = vsock_address(VMADDR_CID_ANY, control_vsock_port);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) < 0 ||
      listen(listener.get(), 1) < 0) {
    throw system_error(errno, control_name);
  }
  Links links;
  links.services = vsock_socket();
  const sockaddr_vm host = vsock_address(VMADDR_CID_HOST, services_vsock_port);
  if (connect(links.services.get(), reinterpret_cast<const sockaddr*>(&host), sizeof host) < 0) {
    if (errno != EINPROGRESS) throw system_error(errno, services_name);
    wait_for(links.services.get(), POLLOUT, deadline, services_name);
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(links.services.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) throw system_error(error, services_name);
  }
  wait_for(listener.get(), POLLIN, deadline, control_name);
  sockaddr_vm peer{};
  socklen_t size = sizeof peer;
  links.control.reset(accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!links.control) throw system_error(errno, control_name);
  // A program of the guest's own may reach this port too, where the kernel has a loopback.
  if (peer.svm_cid != VMADDR_CID_HOST) throw Error(control_name + ": it was not the host that connected");
  return links;
}

}  // namespace

std::optional<Transport> parse_transport(std::string_view name) noexcept {
  if (name == "virtio-serial") return Transport::virtio_serial;
  if (name == "vsock") return Transport::vsock;
  return std::nullopt;
}

Links open_links(Transport transport, const UeventSocket& events, std::chrono::milliseconds limit) {
  const Deadline deadline = std::chrono::steady_clock::now() + limit;
  if (transport == Transport::vsock) return open_vsock_links(events, deadline);
  Links links;
  links.control = open_port(control_port_name, events, deadline);
  links.services = open_port(services_port_name, events, deadline);
  return links;
}

}  // namespace agentvm::guest
