// local_streams_test.cpp - stdin and stdout of every kind, moved without loss and without blocking.
#include "launcher/terminal/local_streams.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "base/async/event.hpp"
#include "base/unique_fd.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;
namespace asio = boost::asio;

namespace {

struct Pipe {
  UniqueFd read, write;
  Pipe() {
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    read.reset(fds[0]);
    write.reset(fds[1]);
  }
};

/// Bytes that show a lost or doubled piece.
std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t value = 1;
  for (char& c : text) {
    value = value * 1664525 + 1013904223;
    c = static_cast<char>(value >> 24);
  }
  return text;
}

void run(std::function<asio::awaitable<void>(asio::io_context&)> body) {
  asio::io_context io(1);
  std::exception_ptr failure;
  bool done = false;
  asio::co_spawn(io, body(io), [&](std::exception_ptr thrown) {
    failure = thrown;
    done = true;
    io.stop();
  });
  io.run_for(std::chrono::seconds(30));
  REQUIRE(done);
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<std::string> read_all(commands::LocalInput& input) {
  std::string all;
  for (;;) {
    const std::string bytes = co_await input.read();
    if (bytes.empty()) co_return all;
    all += bytes;
  }
}

}  // namespace

TEST_CASE("a regular file is read to its end though epoll would refuse it") {
  const Scratch scratch;
  const std::string content = pattern(3'000'001);
  const UniqueFd file(open(scratch.write("file", content).c_str(), O_RDONLY | O_CLOEXEC));
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    commands::LocalInput input(io.get_executor(), file.get());
    const std::string got = co_await read_all(input);
    CHECK(got == content);
  });
}

TEST_CASE("a pipe goes through input and output unchanged with the reader slower than the writer") {
  Pipe in, out;
  const std::string content = pattern(5'000'003);
  std::thread writer([&] {
    write_all(in.write.get(), content);
    in.write.reset();
  });
  std::string got;
  std::thread reader([&] {
    char buffer[7919];
    for (;;) {
      const ssize_t size = read(out.read.get(), buffer, sizeof buffer);
      if (size <= 0) break;
      got.append(buffer, static_cast<std::size_t>(size));
    }
  });
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    commands::LocalInput input(io.get_executor(), in.read.get());
    commands::LocalOutput output(io.get_executor(), out.write.get());
    for (;;) {
      std::string bytes = co_await input.read();
      if (bytes.empty()) break;
      CHECK(co_await output.write(std::move(bytes)));
    }
    CHECK(co_await output.flush());
  });
  out.write.reset();
  writer.join();
  reader.join();
  CHECK(got == content);
}

TEST_CASE("a reader that went away is told and not a signal") {
  Pipe out;
  out.read.reset();
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    commands::LocalOutput output(io.get_executor(), out.write.get());
    bool alive = true;
    for (int i = 0; i < 10 && alive; ++i) alive = co_await output.write("x");
    if (alive) alive = co_await output.flush();
    CHECK_FALSE(alive);
    CHECK(output.error() == EPIPE);
  });
}

TEST_CASE("a full disk is told with its reason") {
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  REQUIRE(full);
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    commands::LocalOutput output(io.get_executor(), full.get());
    CHECK(co_await output.write("x"));
    CHECK_FALSE(co_await output.flush());
    CHECK(output.error() == ENOSPC);
  });
}

TEST_CASE("waiting ends when it is told to though nobody writes and nobody reads") {
  Pipe in, out;
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    commands::LocalInput input(io.get_executor(), in.read.get());
    commands::LocalOutput output(io.get_executor(), out.write.get());
    CHECK(co_await output.write(std::string(1 << 20, 'x')));  // more than a pipe holds
    input.stop();
    const std::string got = co_await input.read();
    CHECK(got == "");
  });
}
