// link_transport.cpp - virtio-serial's sockets, and the vsock behind a unix socket.
#include "launcher/machine/link_transport.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>
#include <chrono>
#include <optional>
#include <vector>

#include "base/async/event.hpp"
#include "base/async/readable.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "base/wire/guest.hpp"
#include "base/wire/link_opening.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

/// From the guest's connection to the answer on its control port, which it listens on by then.
constexpr std::chrono::seconds handshake_limit{20};
/// How often the host says that it is there: a guest that is just closing the link before may miss the first.
constexpr std::chrono::milliseconds first_pause{20}, longest_pause{1000};
/// What lies between the two ends when a link is dropped: buffers of two kernels and a VMM.
constexpr std::size_t most_thrown_away = std::size_t{16} << 20;
/// "OK 1073741824\n" has 14 bytes.
constexpr std::size_t longest_answer = 32;

asio::awaitable<void> wait_readable(int fd, std::string what) {
  const auto error = co_await readable(fd);
  if (error) throw Error(what + ": " + error.message());
}

asio::awaitable<UniqueFd> accept_one(int listener, std::string what) {
  auto came = wait_readable(listener, "waiting for " + what);
  co_await std::move(came);
  UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection) throw system_error(errno, "accepting the connection of " + what);
  co_return connection;
}

/// Whether the other end of a unix socket is still open, whatever is left to be read from it.
bool is_connected(const UniqueFd& fd) noexcept {
  if (!fd) return false;
  pollfd item{fd.get(), POLLRDHUP, 0};
  return poll(&item, 1, 0) >= 0 && (item.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0;
}

/// One port: where the VMM connects to, and the connection.
class SerialPort {
 public:
  explicit SerialPort(std::string path) : path_(std::move(path)), listener_(listen_unix(path_, 1)) {}

  asio::awaitable<UniqueFd> connect() {
    if (!is_connected(connection_)) {
      auto accepted = accept_one(listener_.get(), "the VMM");
      connection_ = co_await std::move(accepted);
    }
    listener_.reset();
    co_return duplicate_stream(connection_);
  }
  void listen_again() {
    if (unlink(path_.c_str()) < 0 && errno != ENOENT) throw system_error(errno, "replacing the socket " + path_);
    listener_ = listen_unix(path_, 1);
  }
  void close() noexcept { connection_.reset(); }

 private:
  std::string path_;
  UniqueFd listener_, connection_;
};

class SerialTransport final : public LinkTransport {
 public:
  SerialTransport(const std::string& control_path, const std::string& services_path)
      : control_(control_path), services_(services_path) {}

  asio::awaitable<LinkStreams> connect() override {
    LinkStreams streams;
    streams.shared = true;
    auto control = control_.connect();
    streams.control = co_await std::move(control);
    auto services = services_.connect();
    streams.services = co_await std::move(services);
    co_return streams;
  }
  void drop() override {
    control_.listen_again();
    services_.listen_again();
  }
  void close() noexcept override {
    control_.close();
    services_.close();
  }
  bool waits_for_guest() const noexcept override { return false; }

 private:
  SerialPort control_, services_;
};

/// Reads the answer byte by byte: what follows it belongs to the stream.
asio::awaitable<std::string> read_answer(int fd) {
  std::string answer;
  while (answer.size() < longest_answer && !answer.ends_with('\n')) {
    char byte = 0;
    const ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
    if (got == 1) {
      answer += byte;
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      auto more = wait_readable(fd, "waiting for the guest's control port");
      co_await std::move(more);
    } else {
      break;  // the guest refused, or its VMM has ended
    }
  }
  co_return answer;
}

class VsockTransport final : public LinkTransport {
 public:
  explicit VsockTransport(std::string vsock_path)
      : vsock_path_(std::move(vsock_path)),
        services_path_(vsock_path_ + "_" + std::to_string(guest::services_vsock_port)),
        services_listener_(listen_unix(services_path_, 1)) {}
  ~VsockTransport() override { stop_listening(); }

  asio::awaitable<LinkStreams> connect() override {
    LinkStreams streams;
    if (services_listener_) {
      auto services = accept_services();
      streams.services = co_await std::move(services);
      auto control = ask_for_control();
      streams.control = co_await std::move(control);
    } else {
      auto returned = return_of_guest();
      streams = co_await std::move(returned);
    }
    co_return streams;
  }
  void drop() override { stop_listening(); }
  bool waits_for_guest() const noexcept override { return true; }

 private:
  void stop_listening() noexcept {
    services_listener_.reset();
    unlink(services_path_.c_str());
  }

  asio::awaitable<LinkStreams> return_of_guest() {
    LinkStreams streams;
    services_listener_ = listen_unix(services_path_, 1);
    try {
      auto control = ask_for_control();
      streams.control = co_await std::move(control);
      auto services = accept_services() || sleep_for(handshake_limit);
      auto came = co_await std::move(services);
      if (came.index() != 0) throw Error("the guest did not open its service link in time");
      streams.services = std::move(std::get<0>(came));
    } catch (...) {
      stop_listening();
      throw;
    }
    co_return streams;
  }

  asio::awaitable<UniqueFd> accept_services() {
    auto accepted = accept_one(services_listener_.get(), "the guest");
    UniqueFd services = co_await std::move(accepted);
    stop_listening();
    co_return services;
  }

  asio::awaitable<UniqueFd> ask_for_control() {
    UniqueFd control = connect_unix(vsock_path_);
    write_all(control.get(), "CONNECT " + std::to_string(guest::control_vsock_port) + "\n",
              "asking for the guest's control port");
    auto answered = read_answer(control.get()) || sleep_for(handshake_limit);
    const auto answer = co_await std::move(answered);
    if (answer.index() != 0) throw Error("the guest did not answer on its control port in time");
    const std::string& line = std::get<0>(answer);
    if (!line.starts_with("OK ") || !line.ends_with('\n')) {
      throw Error("the guest does not listen on its control port " + std::to_string(guest::control_vsock_port));
    }
    co_return control;
  }

  std::string vsock_path_, services_path_;
  UniqueFd services_listener_;
};

std::string new_nonce() {
  std::array<unsigned char, guest::opening_nonce_bytes / 2> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw system_error(errno, "making a nonce");
  }
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 0xf];
  }
  return text;
}

/// A line is short: it goes whole or, when nobody reads, not at all.
bool send_line(int fd, guest::OpeningWord word, const std::string& nonce) {
  const std::string line = guest::to_text({word, nonce});
  const ssize_t sent = send(fd, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) throw system_error(errno, "beginning a link");
  return sent == static_cast<ssize_t>(line.size());
}

}  // namespace

std::unique_ptr<LinkTransport> serial_transport(const std::string& control_path, const std::string& services_path) {
  return std::make_unique<SerialTransport>(control_path, services_path);
}

std::unique_ptr<LinkTransport> vsock_transport(const std::string& vsock_path) {
  return std::make_unique<VsockTransport>(vsock_path);
}

UniqueFd duplicate_stream(const UniqueFd& stream) {
  UniqueFd copy(fcntl(stream.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) throw system_error(errno, "duplicating a link's stream");
  return copy;
}

asio::awaitable<void> begin_link(UniqueFd stream) {
  const std::string nonce = new_nonce();
  guest::OpeningScanner scanner;
  std::vector<char> buffer(64 * 1024);
  std::size_t thrown_away = 0;
  std::chrono::milliseconds pause = first_pause;
  for (;;) {
    send_line(stream.get(), guest::OpeningWord::link, nonce);
    auto came = wait_readable(stream.get(), "waiting for the guest") || sleep_for(pause);
    const auto first = co_await std::move(came);
    if (first.index() == 1) {
      pause = std::min(2 * pause, longest_pause);
      continue;
    }
    const ssize_t got = recv(stream.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got == 0) throw Error("the VMM closed it before the guest was there");
    if (got < 0 && errno != EAGAIN && errno != EINTR) throw system_error(errno, "reading a link");
    for (ssize_t i = 0; i < got; ++i) {
      const auto line = scanner.next(buffer[static_cast<std::size_t>(i)]);
      if (!line || line->word != guest::OpeningWord::here || line->nonce != nonce) continue;
      if (!send_line(stream.get(), guest::OpeningWord::open, nonce)) throw Error("the guest reads nothing");
      co_return;
    }
    if (got > 0) thrown_away += static_cast<std::size_t>(got);
    if (thrown_away > most_thrown_away) throw Error("the guest says everything but that it is there");
  }
}

}  // namespace agentvm::machine
