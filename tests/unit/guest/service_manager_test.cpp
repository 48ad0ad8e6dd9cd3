// service_manager_test.cpp - what systemd hears of a guest's start, and that nobody need listen.
#include "guest/service_manager.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/unique_fd.hpp"
#include "tests/unit/guest/temporary_directory.hpp"

namespace agentvm::guest {

namespace {

/// NOTIFY_SOCKET for the time of a test.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(name.begin(), name.end(), address.sun_path);
    if (name.front() == '@') address.sun_path[0] = '\0';
    REQUIRE(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;
  ~NotifySocket() { unsetenv("NOTIFY_SOCKET"); }

  std::string heard() const {
    char buffer[64];
    const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
    return std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }

 private:
  UniqueFd fd_;
};

}  // namespace

TEST_CASE("systemd is told once that the guest is ready") {
  const TemporaryDirectory directory;
  for (const std::string& name : {directory.path() + "/notify", "@agentvm-test-" + std::to_string(getpid())}) {
    CAPTURE(name);
    const NotifySocket socket(name);
    notify_ready();
    CHECK(socket.heard() == "READY=1");
    CHECK(socket.heard().empty());
  }
}

TEST_CASE("a guest without a service manager is ready all the same") {
  unsetenv("NOTIFY_SOCKET");
  CHECK_NOTHROW(notify_ready());
  for (const std::string& name : {std::string("/nowhere/notify"), std::string(), std::string(300, 'x')}) {
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
    CHECK_NOTHROW(notify_ready());
  }
  unsetenv("NOTIFY_SOCKET");
}

}  // namespace agentvm::guest
