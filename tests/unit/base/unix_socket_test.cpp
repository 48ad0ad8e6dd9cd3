// unix_socket_test.cpp - listening, connecting, the path limit, and descriptors that travel.
#include "base/unix_socket.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"

using namespace agentvm;

TEST_SUITE("base/unix_socket") {
  TEST_CASE("a path beyond the limit is refused with the way out") {
    try {
      const UniqueFd fd = listen_unix("/tmp/" + std::string(200, 'x'));
      FAIL("bound");
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find("at most 107") != std::string::npos);
      CHECK(error.hint().find("XDG_RUNTIME_DIR") != std::string::npos);
    }
  }

  TEST_CASE("a socket is its user's alone from the first moment whatever the umask") {
    const std::string path = "/tmp/agentvm-socket-mode-" + std::to_string(getpid());
    const mode_t before = umask(0);
    const UniqueFd fd = listen_unix(path);
    umask(before);
    struct stat info {};
    REQUIRE(stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0600);
    CHECK(connect_unix(path));
    unlink(path.c_str());
  }

  TEST_CASE("connecting to nobody says so") {
    CHECK_THROWS_WITH_AS(connect_unix("/tmp/agentvm-nobody.sock"), "nobody listens on /tmp/agentvm-nobody.sock", Error);
  }

  TEST_CASE("descriptors travel") {
    auto [a, b] = socket_pair();
    int pipe_fds[2];
    REQUIRE(pipe2(pipe_fds, O_CLOEXEC) == 0);
    const UniqueFd read_end(pipe_fds[0]);
    UniqueFd write_end(pipe_fds[1]);
    send_with_fds(a.get(), "x", {write_end.get()});
    write_end.reset();
    Received received = receive_with_fds(b.get());
    CHECK(received.bytes == "x");
    REQUIRE(received.fds.size() == 1);
    write_all(received.fds[0].get(), "hello");
    char buffer[8] = {};
    CHECK(read(read_end.get(), buffer, sizeof buffer) == 5);
    a.reset();
    CHECK(receive_with_fds(b.get()).bytes.empty());
  }
}
