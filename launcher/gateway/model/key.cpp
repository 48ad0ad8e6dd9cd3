// key.cpp - see key.hpp.
#include "launcher/gateway/model/key.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "launcher/gateway/http/upstream_url.hpp"
#include "launcher/host/proxy.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds command_time{10};

/// `origin` names the source in errors: "model.key: the file /home/me/key".
std::string checked(std::string key, const std::string& origin) {
  if (key.ends_with('\n')) key.pop_back();
  if (key.ends_with('\r')) key.pop_back();
  if (key.empty()) throw Error(origin + " gives an empty key");
  if (key.size() > max_key_bytes) throw Error(fmt::format("{} gives more than {} bytes", origin, max_key_bytes));
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
    throw Error(origin + " gives a key with blanks, control characters or letters outside ASCII",
                "It must hold the key alone, on one line.");
  }
  return key;
}

std::string from_file(const std::string& path) {
  const std::string origin = "model.key: the file " + path;
  struct stat status {};
  if (stat(path.c_str(), &status) < 0) throw system_error(errno, origin);
  // A pipe would keep us waiting, and a directory has nothing to say.
  if (!S_ISREG(status.st_mode)) throw Error(origin + " is not a plain file");
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    throw Error(fmt::format("{} is open to other users of this machine (mode {:04o})", origin, status.st_mode & 07777),
                "Close it with: chmod 600 " + path);
  }
  return checked(read_file(path, max_key_bytes + 2), origin);
}

/// What a child prints, as it comes and without blocking, up to `limit` bytes.
class Printed {
 public:
  Printed(const asio::any_io_executor& executor, UniqueFd pipe, std::size_t limit)
      : limit_(limit), pipe_(executor, pipe.release()) {}

  asio::awaitable<void> collect() {
    bool open = true;
    while (open) {
      const auto [error] =
          co_await pipe_.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
      if (error) co_return;
      open = take();
    }
    AsyncEvent never(co_await asio::this_coro::executor);
    co_await never.wait();  // its output has ended, it has not
  }

  /// What is there now; false at the end.
  bool take() {
    char buffer[4096];
    for (;;) {
      const ssize_t got = read(pipe_.native_handle(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return got < 0 && errno == EAGAIN;
      text.append(buffer, std::min(static_cast<std::size_t>(got), limit_ - std::min(limit_, text.size())));
    }
  }

  std::string text;

 private:
  std::size_t limit_;
  asio::posix::stream_descriptor pipe_;
};

asio::awaitable<void> until_ended(const ChildProcess& child) {
  UniqueFd pidfd(fcntl(child.pidfd(), F_DUPFD_CLOEXEC, 3));
  if (!pidfd) throw system_error(errno, "waiting for model.key's command");
  asio::posix::stream_descriptor ended(co_await asio::this_coro::executor, pidfd.release());
  co_await ended.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<std::string> from_command(std::vector<std::string> command) {
  if (command.empty()) throw Error("model.key: the command is empty");
  const std::string origin = "model.key: the command " + command.front();
  const std::string hint = "Run it by hand: it must print the key and exit with 0.";
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  set_nonblocking(out.get(), true);
  SpawnOptions options;
  options.program = command.front();
  options.args.assign(command.begin() + 1, command.end());
  options.stdout_fd = in.get();
  ChildProcess child = spawn(options);  // ended with its group when this frame goes
  in.reset();
  Printed printed(co_await asio::this_coro::executor, std::move(out), max_key_bytes + 2);
  const std::size_t first = co_await race(until_ended(child), printed.collect(), sleep_for(command_time));
  if (first == 2) throw Error(fmt::format("{} took longer than {} s", origin, command_time.count()), hint);
  printed.take();
  const auto status = child.wait(std::chrono::milliseconds(0));
  // What it printed may be the key, so none of it is shown.
  if (!status || status->shell_code() != 0) {
    throw Error(fmt::format("{} failed with exit code {}", origin, status ? status->shell_code() : -1), hint);
  }
  co_return checked(std::move(printed.text), origin);
}

}  // namespace

asio::awaitable<std::string> read_model_key(vmspec::ModelSpec model) {
  using Kind = vmspec::KeySource::Kind;
  switch (model.key.kind) {
    case Kind::none:
      co_return std::string();
    case Kind::file:
      co_return from_file(model.key.name);
    case Kind::command:
      co_return co_await from_command(model.key.command);
    case Kind::env:
      break;
  }
  const char* value = std::getenv(model.key.name.c_str());
  if (value != nullptr && *value != '\0') co_return checked(value, "model.key: the variable " + model.key.name);
  const UpstreamUrl upstream = parse_upstream(model.upstream);
  if (host::is_loopback_host(upstream.host)) co_return std::string();
  throw Error(fmt::format("model.key: the variable {} is not set, and {} needs a key", model.key.name, model.upstream),
              fmt::format("Set it with: export {}=..., or name a file or command in the profile's [model] key.",
                          model.key.name));
}

}  // namespace agentvm::gateway
