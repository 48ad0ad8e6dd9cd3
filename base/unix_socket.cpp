// unix_socket.cpp - unix(7) stream sockets.
#include "base/unix_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"

namespace agentvm {

namespace {

constexpr time_t connect_limit_seconds = 5;

sockaddr_un address_of(const std::string& path) {
  if (path.size() > unix_path_limit) {
    throw Error("the socket path " + path + " has " + std::to_string(path.size()) +
                    " bytes; a unix socket takes at most " + std::to_string(unix_path_limit),
                "Set XDG_RUNTIME_DIR to a shorter directory, or give the VM a shorter --name.");
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) noexcept {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

UniqueFd listen_unix(const std::string& path, int backlog) {
  const sockaddr_un address = address_of(path);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw system_error(errno, "making a unix socket");
  // The file is made with the mode of the descriptor. A chmod afterwards would come late, and would follow a link that
  // somebody has put there meanwhile: a VMM may write to the directory of its VM.
  if (fchmod(fd.get(), 0600) < 0) throw system_error(errno, "setting the mode of " + path);
  if (bind(fd.get(), generic(address), sizeof address) < 0) throw system_error(errno, "binding the socket " + path);
  if (listen(fd.get(), backlog) < 0) throw system_error(errno, "listening on " + path);
  return fd;
}

UniqueFd connect_unix(const std::string& path) {
  const sockaddr_un address = address_of(path);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw system_error(errno, "making a unix socket");
  // Otherwise a listener that accepts nobody is waited for without end.
  const timeval limit{connect_limit_seconds, 0};
  const timeval none{};
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  while (connect(fd.get(), generic(address), sizeof address) < 0) {
    if (errno == EINTR) continue;
    if (errno == ECONNREFUSED || errno == ENOENT) throw Error("nobody listens on " + path);
    if (errno == EAGAIN) throw Error("the listener on " + path + " is not accepting connections");
    throw system_error(errno, "connecting to " + path);
  }
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
  return fd;
}

std::pair<UniqueFd, UniqueFd> socket_pair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) throw system_error(errno, "making a socket pair");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void send_with_fds(int socket, std::string_view bytes, const std::vector<int>& fds) {
  if (bytes.empty()) throw Error("descriptors need at least one byte to travel with");
  iovec data{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  std::vector<char> control(CMSG_SPACE(sizeof(int) * fds.size()));
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) throw system_error(errno, "sending descriptors");
  }
}

Received receive_with_fds(int socket, std::size_t limit, std::size_t max_fds) {
  Received received;
  received.bytes.resize(limit);
  iovec data{received.bytes.data(), limit};
  std::vector<char> control(CMSG_SPACE(sizeof(int) * max_fds));
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = 0;
  while ((got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno != EINTR) throw system_error(errno, "receiving descriptors");
  }
  received.bytes.resize(static_cast<std::size_t>(got));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      received.fds.emplace_back(fd);
    }
  }
  return received;
}

void set_nonblocking(int fd, bool on) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0) {
    throw system_error(errno, "setting O_NONBLOCK");
  }
}

void set_cloexec(int fd, bool on) {
  const int flags = fcntl(fd, F_GETFD);
  if (flags < 0 || fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC) < 0) {
    throw system_error(errno, "setting FD_CLOEXEC");
  }
}

}  // namespace agentvm
