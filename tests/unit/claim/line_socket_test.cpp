// line_socket_test.cpp - messages and descriptors in any pieces, and peers that say something else.
#include "launcher/claim/line_socket.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <string>

#include "base/async/main_task.hpp"
#include "base/error.hpp"
#include "base/unix_socket.hpp"
#include "launcher/claim/messages.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;

namespace {

std::optional<Message> read_one(LineSocket& socket) {
  asio::io_context io(1);
  return run_to_end(io, socket.read());
}

std::string refusal_of(const std::string& bytes) {
  auto [ours, theirs] = socket_pair();
  LineSocket socket(std::move(ours));
  REQUIRE(send(theirs.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  theirs.reset();
  try {
    return read_one(socket) ? "taken" : "end";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_SUITE("claim/line_socket") {
  TEST_CASE("messages come in order with their descriptors") {
    auto [one, other] = socket_pair();
    LineSocket ours(std::move(one)), theirs(std::move(other));
    const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
    ours.write("first", {{"a", 1}}, {file.get(), file.get()});
    ours.write("second", nlohmann::json::object());
    const auto first = read_one(theirs);
    REQUIRE(first);
    CHECK(first->name == "first");
    CHECK(first->body.at("a") == 1);
    CHECK(first->fds.size() == 2);
    for (const UniqueFd& fd : first->fds) CHECK((fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    const auto second = read_one(theirs);
    REQUIRE(second);
    CHECK(second->name == "second");
    CHECK(second->fds.empty());
    CHECK(peer_uid(ours.fd()) == geteuid());
    ours.shut_down();
    CHECK_FALSE(read_one(theirs));
    CHECK_THROWS_AS(ours.write("late", {}), Error);
  }

  TEST_CASE("what is no message is refused") {
    CHECK(refusal_of("") == "end");
    CHECK(refusal_of("{\"a\":{}}\n") == "taken");
    CHECK(refusal_of("{\"a\":{}}") == "a message of the pool was broken off");
    CHECK(refusal_of("[]\n") == "a message must be an object with one member");
    CHECK(refusal_of("\n").starts_with("a message of the pool is not taken"));
  }

  TEST_CASE("a line without an end is given up") {
    auto [one, other] = socket_pair();
    LineSocket ours(std::move(one));
    asio::io_context io(1);
    std::string outcome;
    asio::co_spawn(io, ours.read(), [&](const std::exception_ptr& error, const std::optional<Message>&) {
      try {
        if (error) std::rethrow_exception(error);
      } catch (const std::exception& failure) {
        outcome = failure.what();
      }
    });
    const std::string bytes(std::size_t{64} << 10, 'x');
    for (std::size_t sent = 0; sent <= 2 * longest_line && outcome.empty(); sent += bytes.size()) {
      io.restart();
      io.poll();
      static_cast<void>(send(other.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
    }
    CHECK(outcome == "a message of the pool is too long");
  }

  TEST_CASE("a peer that does not read is given up and not waited for") {
    auto [one, other] = socket_pair();
    LineSocket ours(std::move(one));
    const nlohmann::json body = {{"text", std::string(std::size_t{64} << 10, 'x')}};
    const auto fill = [&] {
      for (int i = 0; i < 100; ++i) ours.write("a", body);
    };
    CHECK_THROWS_AS(fill(), Error);
  }
}

}  // namespace agentvm::pool
