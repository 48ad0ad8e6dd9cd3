// linked_vm.hpp - a guest's daemon on a thread and the host's links to it, for the tests of what crosses them.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/async/race.hpp"
#include "base/async/readable.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "base/wire/guest.hpp"
#include "guest/daemon.hpp"
#include "launcher/machine/guest_links.hpp"
#include "tests/unit/guest/temporary_directory.hpp"

namespace agentvm::machine::guest_links_test {

namespace asio = boost::asio;

enum class Kind { serial, vsock };

/// A guest's vsock with cloud-hypervisor before it, as unix sockets: the host's CONNECT line is answered here.
class VsockSource final : public guest::LinkSource {
 public:
  explicit VsockSource(std::string path) : path_(std::move(path)), listener_(listen_unix(path_, 4)) {}

  asio::awaitable<guest::Links> next() override {
    guest::Links links;
    if (!linked_before_) links.services = connect_unix(path_ + "_4101");
    auto control = accept_control();
    links.control = co_await std::move(control);
    if (linked_before_) links.services = connect_unix(path_ + "_4101");
    linked_before_ = true;
    co_return links;
  }

 private:
  asio::awaitable<UniqueFd> accept_control() {
    asio::posix::stream_descriptor watch(co_await asio::this_coro::executor,
                                         fcntl(listener_.get(), F_DUPFD_CLOEXEC, 0));
    co_await watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    for (char byte = 0; byte != '\n';) {
      if (read(connection.get(), &byte, 1) != 1) throw Error("the host did not ask for the control port");
    }
    write_all(connection.get(), "OK 1\n");
    co_return connection;
  }

  std::string path_;
  UniqueFd listener_;
  bool linked_before_ = false;
};

/// A source that ends its daemon when it is told to: one that has agreed to a drop waits for new links without end.
class EndingSource final : public guest::LinkSource {
 public:
  EndingSource(std::unique_ptr<guest::LinkSource> source, int end) : source_(std::move(source)), end_(end) {}

  asio::awaitable<guest::Links> next() override {
    guest::Links links;
    auto came = take(links);
    auto over = wait_for_end();
    auto first = race(std::move(came), std::move(over));
    if (co_await std::move(first) == 1) throw Error("the test is over");
    co_return links;
  }

 private:
  asio::awaitable<void> take(guest::Links& links) {
    auto came = source_->next();
    links = co_await std::move(came);
  }
  asio::awaitable<void> wait_for_end() { co_await readable(end_); }

  std::unique_ptr<guest::LinkSource> source_;
  int end_;
};

inline asio::awaitable<void> echo(link::StreamPtr stream) {
  stream->respond(200);
  co_await link::relay_body(*stream, *stream);
}

/// Both ends: a daemon on a thread of its own, and the host's links in this one.
class Vm {
 public:
  explicit Vm(Kind kind) {
    signal(SIGPIPE, SIG_IGN);
    std::unique_ptr<LinkTransport> transport;
    if (kind == Kind::serial) transport = serial_transport(at("ctl"), at("svc"));
    if (kind == Kind::vsock) transport = vsock_transport(at("vsock"));
    links = std::make_unique<GuestLinks>(io.get_executor(), std::move(transport));
    links->serve("/ready", [this](link::StreamPtr stream) { return take_report(std::move(stream)); });
    links->serve("/mcp/echo", echo);
    if (pipe2(end_, O_CLOEXEC) < 0) throw Error("no pipe");
    std::unique_ptr<guest::LinkSource> source;
    if (kind == Kind::serial) {
      source = guest::serial_link_source(connect_unix(at("ctl")), connect_unix(at("svc")));
    } else {
      source = std::make_unique<VsockSource>(at("vsock"));
    }
    source_ = std::make_unique<EndingSource>(std::move(source), end_[0]);
    daemon_ = std::async(std::launch::async, [this] { return run_guest(); });
  }
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;
  ~Vm() {
    links->close();
    close(end_[1]);
    io.restart();
    io.run_for(std::chrono::seconds(2));
    links.reset();
    if (daemon_.valid()) daemon_.wait();
    close(end_[0]);
  }

  std::string at(const std::string& name) const { return directory_.path() + "/" + name; }

  /// Runs the loop until the coroutine has ended, 40 s at most; rethrows what it threw.
  void run(asio::awaitable<void> task) {
    auto done = asio::co_spawn(io, watched(std::move(task)), asio::use_future);
    io.restart();
    io.run_for(std::chrono::seconds(40));
    if (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      throw Error("the test's coroutine did not end");
    done.get();
  }

  asio::awaitable<void> accept() {
    auto accepted = links->accept([this](const std::string& reason) { losses.push_back(reason); });
    co_await std::move(accepted);
  }

  asio::awaitable<void> drop_and_accept() {
    auto dropped = links->drop();
    co_await std::move(dropped);
    auto accepted = accept();
    co_await std::move(accepted);
  }

  asio::awaitable<link::Answer> ask(std::string method, std::string path, std::string body = {}) {
    auto asked = link::request(*links->control(), std::move(method), std::move(path), std::move(body));
    co_return co_await std::move(asked);
  }

  /// Starts a shell line; its stream and "/processes/N".
  asio::awaitable<void> start(std::string script, bool with_stdin, link::StreamPtr& stream, std::string& path) {
    guest::ProcessSpec spec{.argv = {"sh", "-c", std::move(script)},
                            .env = {{"PATH", "/usr/bin:/bin"}},
                            .cwd = directory_.path(),
                            .uid = geteuid(),
                            .gid = getegid(),
                            .stdin_null = !with_stdin};
    stream = links->control()->open("POST", "/processes");
    co_await stream->write(guest::to_json(spec).dump());
    stream->finish();
    const link::Fields fields = co_await stream->response();
    if (link::field(fields, ":status") != "200") throw Error("the process did not start");
    path = "/processes/" + std::string(link::field(fields, "process-id"));
  }

  /// What ended the daemon.
  std::string guest_ended() {
    if (daemon_.wait_for(std::chrono::seconds(30)) != std::future_status::ready) return "it did not end";
    return daemon_.get();
  }

  asio::io_context io{1};
  std::unique_ptr<GuestLinks> links;
  std::vector<guest::ReadyReport> reports;
  std::vector<std::string> losses;
  std::chrono::milliseconds loss_grace = std::chrono::milliseconds(300);

 private:
  std::string run_guest() {
    guest::Links first = guest::first_links(*source_, std::chrono::seconds(30));
    return guest::run_daemon({.links = std::move(first),
                              .source = std::move(source_),
                              .loss_grace = loss_grace,
                              .services_socket = at("services.sock")});
  }

  asio::awaitable<void> take_report(link::StreamPtr stream) {
    const std::string body = co_await stream->read_all(4096);
    reports.push_back(guest::ready_report_from_json(nlohmann::json::parse(body)));
  }

  asio::awaitable<void> watched(asio::awaitable<void> task) {
    try {
      co_await std::move(task);
    } catch (...) {
      io.stop();
      throw;
    }
    io.stop();
  }

  guest::TemporaryDirectory directory_;
  int end_[2] = {-1, -1};  ///< closed for writing when the test is over
  std::unique_ptr<guest::LinkSource> source_;
  std::future<std::string> daemon_;
};

}  // namespace agentvm::machine::guest_links_test
