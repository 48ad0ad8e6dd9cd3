// mcp_server.cpp - see mcp_server.hpp.
#include "launcher/gateway/mcp/mcp_server.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
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
#include "launcher/gateway/json_guard.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

namespace {

constexpr std::size_t pipe_read_bytes = 64 * 1024;
constexpr std::chrono::seconds try_time{10};
constexpr std::size_t shown_bytes = 500;
constexpr std::size_t kept_words = 4096;
constexpr std::size_t shown_words = 600;
constexpr std::chrono::milliseconds last_moment{500};

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

/// `gate` may be nullptr: what is started has no network at all.
ChildProcess start(const McpLaunch& launch, const McpInstall& install, StandardFds fds, sandbox::StartGate* gate) {
  const UniqueFd passwd = memory_file("passwd", sandbox_passwd);
  const UniqueFd group = memory_file("group", sandbox_group);
  SpawnOptions options;
  options.program = launch.bubblewrap;
  if (gate != nullptr) options.args = gate->arguments();
  const auto inside = sandbox_arguments(launch.host, install, {passwd.get(), group.get()});
  options.args.insert(options.args.end(), inside.begin(), inside.end());
  options.environment = sandbox_environment(launch.host, install, launch.wishes, launch.uuid);
  options.directory = "/";
  options.stdin_fd = fds.in;
  options.stdout_fd = fds.out;
  options.stderr_fd = fds.err;
  options.inherit = {passwd.get(), group.get()};
  if (gate != nullptr) {
    for (const int fd : gate->inherited()) options.inherit.push_back(fd);
  }
  options.own_keyring = true;
  ChildProcess child = spawn(options);
  if (gate != nullptr) gate->started();
  return child;
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

}  // namespace

asio::awaitable<void> try_sandbox(asio::any_io_executor executor, const McpLaunch& launch) {
  const std::string hint =
      "The server talks to the guest, so it is never started without its sandbox. Unprivileged user namespaces must be "
      "allowed: see sysctl user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns.";
  McpInstall nothing = launch.install;
  nothing.command = {"/usr/bin/true"};
  Pipe errors = make_pipe();
  ChildProcess child = start(launch, nothing, {.err = errors.write.get()}, nullptr);
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

/// What it says on stderr: all of it to the log, the end of it kept.
struct McpServer::Words {
  Words(asio::any_io_executor executor, UniqueFd from, std::shared_ptr<BoundedLog> to)
      : source(executor, from.release()), log(std::move(to)), changed(executor) {}

  Descriptor source;
  std::shared_ptr<BoundedLog> log;
  AsyncEvent changed;
  std::string last;
  bool over = false;

  static asio::awaitable<void> listen(std::shared_ptr<Words> words) {
    std::string buffer(pipe_read_bytes, '\0');
    for (;;) {
      const auto [error, size] =
          co_await words->source.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
      if (error) break;
      const std::string_view bytes = std::string_view(buffer).substr(0, size);
      words->log->append(bytes);
      words->last += bytes;
      if (words->last.size() > kept_words) words->last.erase(0, words->last.size() - kept_words);
    }
    words->over = true;
    words->changed.notify();
  }
};

McpServer::McpServer(asio::any_io_executor executor, const McpLaunch& launch, std::shared_ptr<BoundedLog> log) {
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  const bool has_network = !launch.wishes.network.empty();
  std::optional<sandbox::StartGate> gate;
  if (has_network) gate.emplace();
  child_ = start(launch, launch.install, {in.read.get(), out.write.get(), err.write.get()}, gate ? &*gate : nullptr);
  if (gate) {
    // The end that it writes to must not block, or be ours for longer than the server lives.
    way_out_ = std::make_unique<sandbox::HostProxy>(
        *std::move(gate), sandbox::HostProxyOptions{launch.wishes.network, launch.proxy, duplicate(err.write.get())});
  }
  for (const int fd : {in.write.get(), out.read.get(), err.read.get()}) set_nonblocking(fd, true);
  pipes_.reset(new Pipes{Descriptor(executor, in.write.release()), Descriptor(executor, out.read.release())});
  words_ = std::make_shared<Words>(executor, std::move(err.read), std::move(log));
  asio::co_spawn(executor, Words::listen(words_), [](const std::exception_ptr&) {});
}

std::string McpServer::last_words() const {
  std::string_view text = words_->last;
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (text.size() > shown_words) {
    text.remove_prefix(text.size() - shown_words);
    text.remove_prefix(std::min(text.find('\n') + 1, text.size()));
  }
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // C1 control characters are U+0080 to U+009F, in UTF-8 after 0xc2.
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      ++i;
    } else if ((byte >= 0x20 && byte != 0x7f) || byte == '\n') {
      out += text[i];
    }
  }
  return utf8_prefix(out, shown_words);
}

McpServer::~McpServer() {
  kill();
}

pid_t McpServer::pid() const noexcept {
  return child_.pid();
}

bool McpServer::running() {
  if (!child_.running()) return false;
  const auto status = child_.wait(std::chrono::milliseconds(0));
  if (status && !told_to_end_) ended_ = status;
  return !status;
}

asio::awaitable<std::string> McpServer::read() {
  const auto pipes = pipes_;
  std::string bytes(pipe_read_bytes, '\0');
  const auto [error, size] =
      co_await pipes->out.async_read_some(asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
  bytes.resize(error ? 0 : size);
  if (error && error != asio::error::operation_aborted && child_.running()) {
    way_out_.reset();  // it writes to the same stderr
    const auto words = words_;
    const auto silent = [words]() -> asio::awaitable<void> {
      while (!words->over) co_await words->changed.wait();
    };
    auto silence = silent();
    auto moment = sleep_for(last_moment);
    co_await race(std::move(silence), std::move(moment));
    Descriptor ended(words->source.get_executor(), duplicate(child_.pidfd()).release());
    const auto end = [&ended]() -> asio::awaitable<void> {
      co_await ended.async_wait(Descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
    };
    auto death = end();
    auto another_moment = sleep_for(last_moment);
    co_await race(std::move(death), std::move(another_moment));
    running();
  }
  co_return bytes;
}

asio::awaitable<bool> McpServer::write(std::string bytes) {
  const auto pipes = pipes_;
  const auto [error, size] =
      co_await asio::async_write(pipes->in, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
  co_return !error;
}

void McpServer::close_stdin() noexcept {
  told_to_end_ = true;
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
