// unix_socket.hpp - unix stream sockets and the descriptors sent over them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"

namespace agentvm {

/// sun_path of unix(7): 108 bytes with the final NUL.
inline constexpr std::size_t unix_path_limit = 107;

/// A listening socket, mode 0600, CLOEXEC, non-blocking. Throws an Error that names a too long path and the limit.
UniqueFd listen_unix(const std::string& path, int backlog = 64);
/// Connects (blocking, up to 5 s; CLOEXEC). Throws Error; nobody listening is said as such.
UniqueFd connect_unix(const std::string& path);
/// A connected pair, CLOEXEC.
std::pair<UniqueFd, UniqueFd> socket_pair();

/// Sends bytes with descriptors attached (SCM_RIGHTS); the caller keeps its own.
void send_with_fds(int socket, std::string_view bytes, const std::vector<int>& fds);
/// What one recvmsg(2) brought: empty bytes mean the peer closed.
struct Received {
  std::string bytes;
  std::vector<UniqueFd> fds;
};
Received receive_with_fds(int socket, std::size_t limit = 4096, std::size_t max_fds = 8);

void set_nonblocking(int fd, bool on);
void set_cloexec(int fd, bool on);

}  // namespace agentvm
