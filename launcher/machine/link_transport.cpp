// link_transport.cpp - virtio-serial's sockets, and the vsock behind a unix socket.
#include "launcher/machine/link_transport.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <optional>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "base/wire/guest.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;

namespace {

/// From the guest's connection to the answer on its control port, which it listens on by then.
constexpr std::chrono::seconds handshake_limit{20};
/// "OK 1073741824\n" has 14 bytes.
constexpr std::size_t longest_answer = 32;

asio::awaitable<void> wait_readable(asio::any_io_executor executor, int fd, std::string what) {
  asio::posix::stream_descriptor watch(executor, fd);
  // The descriptor stays its owner's, also when this coroutine is cancelled.
  struct Release {
    asio::posix::stream_descriptor& watch;
    ~Release() { watch.release(); }
  } release{watch};
  const auto [error] =
      co_await watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  if (error) throw Error(what + ": " + error.message());
}

asio::awaitable<UniqueFd> accept_one(asio::any_io_executor executor, int listener, std::string what) {
  co_await wait_readable(executor, listener, "waiting for " + what);
  UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection) throw system_error(errno, "accepting the connection of " + what);
  co_return connection;
}

class SerialTransport final : public LinkTransport {
 public:
  SerialTransport(asio::any_io_executor executor, const std::string& control_path, const std::string& services_path)
      : executor_(std::move(executor)),
        control_listener_(listen_unix(control_path, 1)),
        services_listener_(listen_unix(services_path, 1)) {}

  asio::awaitable<LinkStreams> connect() override {
    LinkStreams streams;
    auto control = accept_one(executor_, control_listener_.get(), "the VMM");
    streams.control = co_await std::move(control);
    auto services = accept_one(executor_, services_listener_.get(), "the VMM");
    streams.services = co_await std::move(services);
    control_listener_.reset();
    services_listener_.reset();
    co_return streams;
  }
  bool waits_for_guest() const noexcept override { return false; }

 private:
  asio::any_io_executor executor_;
  UniqueFd control_listener_, services_listener_;
};

/// Reads the answer byte by byte: what follows it belongs to the stream.
asio::awaitable<std::string> read_answer(asio::any_io_executor executor, int fd) {
  std::string answer;
  while (answer.size() < longest_answer && !answer.ends_with('\n')) {
    char byte = 0;
    const ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
    if (got == 1) {
      answer += byte;
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      co_await wait_readable(executor, fd, "waiting for the guest's control port");
    } else {
      break;  // the guest refused, or its VMM has ended
    }
  }
  co_return answer;
}

class VsockTransport final : public LinkTransport {
 public:
  VsockTransport(asio::any_io_executor executor, std::string vsock_path)
      : executor_(std::move(executor)),
        vsock_path_(std::move(vsock_path)),
        services_path_(vsock_path_ + "_" + std::to_string(guest::services_vsock_port)),
        services_listener_(listen_unix(services_path_, 1)) {}
  ~VsockTransport() override { unlink(services_path_.c_str()); }

  asio::awaitable<LinkStreams> connect() override {
    using namespace asio::experimental::awaitable_operators;
    LinkStreams streams;
    auto services = accept_one(executor_, services_listener_.get(), "the guest");
    streams.services = co_await std::move(services);
    services_listener_.reset();
    streams.control = connect_unix(vsock_path_);
    write_all(streams.control.get(), "CONNECT " + std::to_string(guest::control_vsock_port) + "\n",
              "asking for the guest's control port");
    auto answered = read_answer(executor_, streams.control.get()) || sleep_for(handshake_limit);
    const auto answer = co_await std::move(answered);
    if (answer.index() != 0) throw Error("the guest did not answer on its control port in time");
    const std::string& line = std::get<0>(answer);
    if (!line.starts_with("OK ") || !line.ends_with('\n')) {
      throw Error("the guest does not listen on its control port " + std::to_string(guest::control_vsock_port));
    }
    co_return streams;
  }
  bool waits_for_guest() const noexcept override { return true; }

 private:
  asio::any_io_executor executor_;
  std::string vsock_path_, services_path_;
  UniqueFd services_listener_;
};

}  // namespace

std::unique_ptr<LinkTransport> serial_transport(asio::any_io_executor executor, const std::string& control_path,
                                                const std::string& services_path) {
  return std::make_unique<SerialTransport>(std::move(executor), control_path, services_path);
}

std::unique_ptr<LinkTransport> vsock_transport(asio::any_io_executor executor, const std::string& vsock_path) {
  return std::make_unique<VsockTransport>(std::move(executor), vsock_path);
}

}  // namespace agentvm::machine
