// line_socket.hpp - messages and descriptors on a unix stream socket.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace agentvm::pool {

struct Message {
  std::string name;
  nlohmann::json body;
  std::vector<UniqueFd> fds;
};

/// One end of a connection. One read at a time; writes never wait: a peer that does not take them is no peer.
class LineSocket {
 public:
  explicit LineSocket(UniqueFd socket);

  /// The next message; nullopt at the end. Descriptors belong to the line that is complete first after they came, as
  /// whoever sends some waits for the answer. Throws Error when a line is too long, no message, or broken off.
  boost::asio::awaitable<std::optional<Message>> read();
  /// Throws Error when the peer is gone or takes nothing.
  void write(const std::string& name, const nlohmann::json& body, const std::vector<int>& fds = {});

  int fd() const noexcept { return socket_.get(); }
  /// The other end sees it at once, whoever has a duplicate.
  void shut_down() noexcept;
  UniqueFd release() noexcept { return std::move(socket_); }

 private:
  UniqueFd socket_;
  std::string partial_;
  std::vector<UniqueFd> fds_;
};

/// Who is at the other end (unix(7), SO_PEERCRED).
struct SocketPeer {
  std::uint32_t uid = 0;
  std::int32_t pid = 0;
};
/// Throws Error.
SocketPeer peer_of(int socket);
inline std::uint32_t peer_uid(int socket) {
  return peer_of(socket).uid;
}

}  // namespace agentvm::pool
