// mcp_server.cpp - see mcp_server.hpp.
#include "launcher/gateway/mcp/mcp_server.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/memory_file.hpp"
#include "base/unique_fd.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

namespace {

constexpr std::size_t pipe_read_bytes = 64 * 1024;
constexpr std::chrono::seconds try_time{10};
constexpr std::size_t shown_bytes = 500;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

struct StandardFds {
  int in = -1;
  int out = -1;
  int err = -1;
};

ChildProcess start(const McpLaunch& launch, const McpInstall& install, StandardFds fds) {
  const UniqueFd passwd = memory_file("passwd", sandbox_passwd);
  const UniqueFd group = memory_file("group", sandbox_group);
  SpawnOptions options;
  options.program = launch.bubblewrap;
  options.args = sandbox_arguments(launch.host, install, {passwd.get(), group.get()});
  options.environment = sandbox_environment(launch.host, install, launch.uuid);
  options.directory = "/";
  options.stdin_fd = fds.in;
  options.stdout_fd = fds.out;
  options.stderr_fd = fds.err;
  options.inherit = {passwd.get(), group.get()};
  options.own_keyring = true;
  return spawn(options);
}

std::string read_what_is_there(int fd) {
  set_nonblocking(fd, true);
  std::string text(shown_bytes, '\0');
  const ssize_t got = ::read(fd, text.data(), text.size());
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

UniqueFd duplicate(int fd) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) throw system_error(errno, "duplicating a descriptor");
  return copy;
}

asio::awaitable<void> log_all(std::shared_ptr<Descriptor> source, std::shared_ptr<BoundedLog> log) {
  std::string buffer(pipe_read_bytes, '\0');
  for (;;) {
    const auto [error, size] =
        co_await source->async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    log->append(std::string_view(buffer).substr(0, size));
  }
}

}  // namespace

asio::awaitable<void> try_sandbox(asio::any_io_executor executor, const McpLaunch& launch) {
  const std::string hint =
      "The server talks to the guest, so it is never started without its sandbox. Unprivileged user namespaces must be "
      "allowed: see sysctl user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns.";
  McpInstall nothing = launch.install;
  nothing.command = {"/usr/bin/true"};
  Pipe errors = make_pipe();
  ChildProcess child = start(launch, nothing, {.err = errors.write.get()});
  errors.write.reset();
  Descriptor ended(executor, duplicate(child.pidfd()).release());
  const auto end = [&]() -> asio::awaitable<void> {
    co_await ended.async_wait(Descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  };
  const std::size_t over = co_await race(end(), sleep_for(try_time));
  if (over == 1) {
    throw Error(launch.bubblewrap + " did not set the sandbox of the MCP server up within 10 s", hint);
  }
  const auto status = child.wait(std::chrono::milliseconds(0));
  if (status && status->shell_code() == 0) co_return;
  const std::string words = read_what_is_there(errors.read.get());
  // Where there is no /usr/bin/true, bubblewrap got as far as to look for it.
  if (words.find("execvp") != std::string::npos) co_return;
  throw Error(
      "the sandbox of the MCP server cannot be set up: " + (words.empty() ? launch.bubblewrap + " failed" : words),
      hint);
}

struct McpServer::Pipes {
  Descriptor in;
  Descriptor out;
};

McpServer::McpServer(asio::any_io_executor executor, const McpLaunch& launch, std::shared_ptr<BoundedLog> log) {
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  child_ = start(launch, launch.install, {in.read.get(), out.write.get(), err.write.get()});
  for (const int fd : {in.write.get(), out.read.get(), err.read.get()}) set_nonblocking(fd, true);
  pipes_.reset(new Pipes{Descriptor(executor, in.write.release()), Descriptor(executor, out.read.release())});
  asio::co_spawn(executor, log_all(std::make_shared<Descriptor>(executor, err.read.release()), std::move(log)),
                 asio::detached);
}

McpServer::~McpServer() {
  kill();
}

pid_t McpServer::pid() const noexcept {
  return child_.pid();
}

bool McpServer::running() {
  return child_.running() && !child_.wait(std::chrono::milliseconds(0));
}

asio::awaitable<std::string> McpServer::read() {
  const auto pipes = pipes_;
  std::string bytes(pipe_read_bytes, '\0');
  const auto [error, size] =
      co_await pipes->out.async_read_some(asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
  bytes.resize(error ? 0 : size);
  co_return bytes;
}

asio::awaitable<bool> McpServer::write(std::string bytes) {
  const auto pipes = pipes_;
  const auto [error, size] =
      co_await asio::async_write(pipes->in, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
  co_return !error;
}

void McpServer::close_stdin() noexcept {
  boost::system::error_code ignored;
  pipes_->in.close(ignored);
}

void McpServer::kill() noexcept {
  child_.terminate(std::chrono::milliseconds(0));
  boost::system::error_code ignored;
  pipes_->in.close(ignored);
  pipes_->out.close(ignored);
}

}  // namespace agentvm::gateway
