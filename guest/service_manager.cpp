// service_manager.cpp - the one datagram of sd_notify(3).
#include "guest/service_manager.hpp"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <string_view>

#include "base/unique_fd.hpp"

namespace agentvm::guest {

void notify_ready() noexcept {
  const char* const name = std::getenv("NOTIFY_SOCKET");
  const std::string_view path = name == nullptr ? "" : name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return;
  path.copy(address.sun_path, path.size());
  // An abstract address: its NUL byte is written as '@'.
  if (path.front() == '@') address.sun_path[0] = '\0';
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return;
  constexpr std::string_view ready = "READY=1";
  [[maybe_unused]] const ssize_t sent =
      sendto(socket.get(), ready.data(), ready.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
             reinterpret_cast<const sockaddr*>(&address), offsetof(sockaddr_un, sun_path) + path.size());
}

}  // namespace agentvm::guest
