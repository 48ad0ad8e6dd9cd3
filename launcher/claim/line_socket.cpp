// line_socket.cpp - recvmsg and sendmsg under coroutines.
#include "launcher/claim/line_socket.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/async/readable.hpp"
#include "base/error.hpp"
#include "base/unix_socket.hpp"
#include "launcher/claim/messages.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;

namespace {

constexpr std::size_t piece = std::size_t{64} << 10;

}  // namespace

LineSocket::LineSocket(UniqueFd socket) : socket_(std::move(socket)) {
  set_nonblocking(socket_.get(), true);
}

asio::awaitable<std::optional<Message>> LineSocket::read() {
  for (;;) {
    if (const auto end = partial_.find('\n'); end != std::string::npos) {
      const std::string line = partial_.substr(0, end);
      partial_.erase(0, end + 1);
      nlohmann::json json = parse_message(line);
      Message message{name_of_message(json), {}, std::exchange(fds_, {})};
      message.body = std::move(json.begin().value());
      co_return std::optional<Message>(std::move(message));
    }
    if (partial_.size() > longest_line) throw Error("a message of the pool is too long");
    const auto error = co_await readable(socket_.get());
    if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
    if (error) throw Error("reading from the pool: " + error.message());
    Received received = receive_with_fds(socket_.get(), piece, most_descriptors);
    if (received.bytes.empty()) {
      if (!partial_.empty()) throw Error("a message of the pool was broken off");
      co_return std::nullopt;
    }
    partial_ += received.bytes;
    for (UniqueFd& fd : received.fds) fds_.push_back(std::move(fd));
    if (fds_.size() > most_descriptors) throw Error("a message of the pool came with too many descriptors");
  }
}

void LineSocket::write(const std::string& name, const nlohmann::json& body, const std::vector<int>& fds) {
  nlohmann::json message = nlohmann::json::object();
  message[name] = body;
  const std::string line = message.dump() + "\n";
  iovec part{const_cast<char*>(line.data()), line.size()};  // NOLINT: sendmsg(2) writes nothing there
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  std::vector<char> control(CMSG_SPACE(sizeof(int) * std::max<std::size_t>(fds.size(), 1)));
  if (!fds.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * fds.size());
  }
  const ssize_t sent = sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) throw system_error(errno, "writing to the pool");
  if (static_cast<std::size_t>(sent) != line.size()) throw Error("whoever asked the pool does not read its answer");
}

void LineSocket::shut_down() noexcept {
  if (socket_) shutdown(socket_.get(), SHUT_RDWR);
}

SocketPeer peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
    throw system_error(errno, "asking who is at the other end of a socket");
  return {credentials.uid, credentials.pid};
}

}  // namespace agentvm::pool
