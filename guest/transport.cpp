// transport.cpp - finds virtio-serial ports by name or the vsock device, and opens links on them, time after time.
#include "guest/transport.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <cerrno>
#include <future>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/wire/guest.hpp"
#include "base/wire/link_opening.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using Descriptor = asio::posix::stream_descriptor;

namespace {

using Deadline = std::chrono::steady_clock::time_point;
constexpr char ports_directory[] = "/sys/class/virtio-ports";

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

UniqueFd open_port(const std::string& name, const UeventSocket& events, Deadline deadline) {
  for (;;) {
    const std::string node = find_port(name);
    if (!node.empty()) {
      UniqueFd port(open(node.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
      if (port) return port;
      if (errno != ENOENT) throw system_error(errno, "opening the virtio-serial port " + name);
    }
    if (!events.wait_until(deadline)) {
      throw Error("the machine has no virtio-serial port named " + name,
                  "It needs a virtio-serial device, and virtio_console among the initramfs' modules.");
    }
  }
}

UniqueFd duplicate_port(const UniqueFd& fd) {
  UniqueFd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) throw system_error(errno, "duplicating a descriptor");
  return copy;
}

/// Waits for changes of a port, each reported once. A port whose host end is not connected is readable and hung up all
/// the time; its driver wakes who polls it when the host connects, and an edge-triggered poller sees just that.
class PortEvents {
 public:
  PortEvents(const asio::any_io_executor& executor, int port) : poller_(executor) {
    UniqueFd poller(epoll_create1(EPOLL_CLOEXEC));
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLOUT | EPOLLET;
    if (!poller || epoll_ctl(poller.get(), EPOLL_CTL_ADD, port, &interest) < 0) {
      throw system_error(errno, "watching a virtio-serial port");
    }
    poller_.assign(poller.release());
  }
  /// What happened before the last call is not reported again: read until there is nothing left, then wait.
  asio::awaitable<void> wait() {
    epoll_event event{};
    while (epoll_wait(poller_.native_handle(), &event, 1, 0) == 0) {
      co_await poller_.async_wait(Descriptor::wait_read, asio::use_awaitable);
    }
  }

 private:
  Descriptor poller_;
};

/// Answers the host's opening of a link, and returns when HTTP/2 follows. Until a nonce was answered the host sends
/// nothing behind it, so that whole chunks may be read; then only byte by byte.
asio::awaitable<void> await_opening(int port) {
  PortEvents events(co_await asio::this_coro::executor, port);
  OpeningScanner scanner;
  std::string answered;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = read(port, buffer.data(), answered.empty() ? buffer.size() : 1);
    if (got <= 0) {
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno != EAGAIN && errno != EPIPE) throw system_error(errno, "reading a virtio-serial port");
      co_await events.wait();
      continue;
    }
    std::string asked;
    for (ssize_t i = 0; i < got; ++i) {
      const auto line = scanner.next(buffer[static_cast<std::size_t>(i)]);
      if (!line) continue;
      if (line->word == OpeningWord::open && line->nonce == answered) co_return;
      if (line->word == OpeningWord::link) asked = line->nonce;
    }
    if (asked.empty() || asked == answered) continue;
    // One line to a host that waits for it: it fits, or the host has gone. It asks again until it is answered.
    const std::string answer = to_text({OpeningWord::here, asked});
    if (write(port, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size())) answered = asked;
  }
}

/// The ports stay open between links: closing one would throw away what the host has said meanwhile.
class SerialLinks final : public LinkSource {
 public:
  SerialLinks(UniqueFd control, UniqueFd services) : control_(std::move(control)), services_(std::move(services)) {}

  asio::awaitable<Links> next() override {
    auto control = await_opening(control_.get());
    auto services = await_opening(services_.get());
    co_await (std::move(control) && std::move(services));
    Links links;
    links.control = duplicate_port(control_);
    links.services = duplicate_port(services_);
    co_return links;
  }

 private:
  UniqueFd control_, services_;
};

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

/// Returns when the descriptor is ready; it stays its owner's, also when this is cancelled.
asio::awaitable<void> wait_ready(int fd, Descriptor::wait_type type) {
  Descriptor watch(co_await asio::this_coro::executor, fcntl(fd, F_DUPFD_CLOEXEC, 3));
  co_await watch.async_wait(type, asio::use_awaitable);
}

/// At the boot the guest comes first: its service connection tells the host that the control port is being listened on.
/// Later the host does: the guest cannot know when the host will listen again.
class VsockLinks final : public LinkSource {
 public:
  VsockLinks() : listener_(vsock_socket()) {
    const sockaddr_vm here = vsock_address(VMADDR_CID_ANY, control_vsock_port);
    if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) < 0 ||
        listen(listener_.get(), 1) < 0) {
      throw system_error(errno, control_name());
    }
  }

  asio::awaitable<Links> next() override {
    Links links;
    if (!linked_before_) {
      auto services = connect_services();
      links.services = co_await std::move(services);
      auto control = accept_control();
      links.control = co_await std::move(control);
      linked_before_ = true;
      co_return links;
    }
    for (;;) {
      auto control = accept_control();
      links.control = co_await std::move(control);
      try {
        auto services = connect_services();
        links.services = co_await std::move(services);
        co_return links;
      } catch (const Error&) {
        // That host is gone again; another may come.
      }
    }
  }

 private:
  static std::string control_name() { return "the control link on vsock port " + std::to_string(control_vsock_port); }

  static asio::awaitable<UniqueFd> connect_services() {
    const std::string name = "the service link on vsock port " + std::to_string(services_vsock_port);
    UniqueFd fd = vsock_socket();
    const sockaddr_vm host = vsock_address(VMADDR_CID_HOST, services_vsock_port);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&host), sizeof host) < 0) {
      if (errno != EINPROGRESS) throw system_error(errno, name);
      auto ready = wait_ready(fd.get(), Descriptor::wait_write);
      co_await std::move(ready);
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) throw system_error(error, name);
    }
    co_return fd;
  }

  asio::awaitable<UniqueFd> accept_control() {
    for (;;) {
      sockaddr_vm peer{};
      socklen_t size = sizeof peer;
      UniqueFd fd(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) throw system_error(errno, control_name());
      // A program of the guest's own may reach this port too, where the kernel has a loopback.
      if (fd && peer.svm_cid == VMADDR_CID_HOST) co_return fd;
      if (fd) continue;
      auto ready = wait_ready(listener_.get(), Descriptor::wait_read);
      co_await std::move(ready);
    }
  }

  UniqueFd listener_;
  bool linked_before_ = false;
};

}  // namespace

std::optional<Transport> parse_transport(std::string_view name) noexcept {
  if (name == "virtio-serial") return Transport::virtio_serial;
  if (name == "vsock") return Transport::vsock;
  return std::nullopt;
}

std::unique_ptr<LinkSource> serial_link_source(UniqueFd control, UniqueFd services) {
  return std::make_unique<SerialLinks>(std::move(control), std::move(services));
}

std::unique_ptr<LinkSource> link_source(Transport transport, const UeventSocket& events,
                                        std::chrono::milliseconds limit) {
  const Deadline deadline = std::chrono::steady_clock::now() + limit;
  if (transport == Transport::vsock) {
    wait_for_vsock(events, deadline);
    return std::make_unique<VsockLinks>();
  }
  UniqueFd control = open_port(control_port_name, events, deadline);
  UniqueFd services = open_port(services_port_name, events, deadline);
  return serial_link_source(std::move(control), std::move(services));
}

Links first_links(LinkSource& source, std::chrono::milliseconds limit) {
  asio::io_context context(1);
  auto links = asio::co_spawn(context, source.next(), asio::use_future);
  context.run_for(limit);
  if (links.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    throw Error("nobody on the host has opened the guest's links in time");
  }
  return links.get();
}

Links open_links(Transport transport, const UeventSocket& events, std::chrono::milliseconds limit) {
  const auto source = link_source(transport, events, limit);
  return first_links(*source, limit);
}

}  // namespace agentvm::guest
