// bridge_test.cpp - services inside the guest: the socket, the bridge program's side, the model's port.
#include "guest/bridge.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "guest/services.hpp"
#include "tests/unit/guest/link_pair.hpp"
#include "tests/unit/guest/temporary_directory.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;
using link::StreamPtr;

namespace {

struct Pipe {
  UniqueFd read, write;
};

Pipe make_pipe() {
  int fds[2];
  REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::string read_to_end(int fd) {
  std::string text;
  char buffer[65536];
  for (ssize_t got = 0; (got = read(fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

/// Says "early", hears everything out, then answers with what it heard: needs half-close one way and then the other.
asio::awaitable<void> answer_late(StreamPtr stream) {
  stream->respond(200);
  co_await stream->write("early ");
  const std::string heard = co_await stream->read_all(std::size_t{64} << 20);
  co_await sleep_for(std::chrono::milliseconds(50));
  co_await stream->write(heard);
  stream->finish();
}

/// Ends although its client goes on.
asio::awaitable<void> hang_up(StreamPtr stream) {
  stream->respond(200);
  co_await stream->write("bye");
}

asio::awaitable<void> refuse(StreamPtr stream) {
  stream->respond(403);
  co_await stream->write("the profile does not\nallow it");
  stream->finish();
}

asio::awaitable<void> serve_host(StreamPtr stream) {
  if (stream->path() == "/mcp/late") return answer_late(stream);
  if (stream->path() == "/mcp/bye") return hang_up(stream);
  if (stream->path() == "/model") return answer_late(stream);
  return refuse(stream);
}

/// The guest's daemon and the host's end of its service link, on a thread of their own.
class ServiceDaemon {
 public:
  explicit ServiceDaemon(link::Handler handler = serve_host) {
    pair_.connect(std::move(handler));
    services_.emplace(pair_.context.get_executor(), pair_.client);
    services_->allow({"mcp/late", "mcp/bye", "mcp/refused"});
    services_->serve_socket(socket());
    thread_ = std::thread([this] { pair_.context.run(); });
  }
  ServiceDaemon(const ServiceDaemon&) = delete;
  ServiceDaemon& operator=(const ServiceDaemon&) = delete;
  ~ServiceDaemon() {
    pair_.context.stop();
    thread_.join();
  }
  std::string socket() const { return directory_.path() + "/services.sock"; }

  /// Runs something on the daemon's thread, and waits for it.
  void call(const std::function<void(Services&)>& what) {
    std::promise<void> done;
    asio::post(pair_.context, [&] {
      what(*services_);
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  TemporaryDirectory directory_;
  LinkPair pair_;
  std::optional<Services> services_;
  std::thread thread_;
};

struct Bridged {
  int code = -1;
  std::string out;
};

/// Runs the bridge with `input` as its stdin, held open after it when `keep_open`.
Bridged bridge(const ServiceDaemon& daemon, const std::string& name, const std::string& input, bool keep_open = false) {
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Bridged result;
  std::thread writer([&] {
    write_all(in.write.get(), input);
    if (!keep_open) in.write.reset();
  });
  std::thread reader([&] { result.out = read_to_end(out.read.get()); });
  result.code = run_bridge(name, daemon.socket(), in.read.get(), out.write.get());
  out.write.reset();
  writer.join();
  reader.join();
  // Ends the bridge's other thread, which may still be reading.
  in.write.reset();
  return result;
}

UniqueFd connect_tcp(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

/// A port that was free a moment ago.
std::uint16_t free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

}  // namespace

TEST_CASE("a bridge passes the end of its input on and still reads the answer") {
  const ServiceDaemon daemon;
  const Bridged result = bridge(daemon, "mcp/late", "question");
  CHECK(result.code == 0);
  CHECK(result.out == "early question");
}

TEST_CASE("eight megabytes pass a bridge unchanged") {
  const ServiceDaemon daemon;
  std::string bytes(8'000'000, 'x');
  for (std::size_t i = 0; i < bytes.size(); i += 7) bytes[i] = static_cast<char>(i);
  const Bridged result = bridge(daemon, "mcp/late", bytes);
  CHECK(result.code == 0);
  CHECK(result.out == "early " + bytes);
}

TEST_CASE("a bridge ends with its service whatever its input does") {
  const ServiceDaemon daemon;
  const Bridged result = bridge(daemon, "mcp/bye", "", /*keep_open=*/true);
  CHECK(result.code == 0);
  CHECK(result.out == "bye");
}

TEST_CASE("services nobody offers and refused ones and a missing daemon are said as such") {
  const ServiceDaemon daemon;
  UniqueFd asked = connect_unix(daemon.socket());
  write_all(asked.get(), "mcp/other\n");
  CHECK(read_to_end(asked.get()) == "error this VM has no service named mcp/other\n");
  asked = connect_unix(daemon.socket());
  write_all(asked.get(), "mcp/refused\n");
  CHECK(read_to_end(asked.get()) == "error the profile does not allow it\n");
  asked = connect_unix(daemon.socket());
  write_all(asked.get(), std::string(1000, 'x'));
  CHECK(read_to_end(asked.get()) == "error the name of a service and a newline must come first\n");
  CHECK(bridge(daemon, "mcp/other", "x").code == 1);
  CHECK(run_bridge("mcp/late", "/nonexistent/socket") == 1);
}

TEST_CASE("bytes sent right behind the name are not lost") {
  const ServiceDaemon daemon;
  const UniqueFd asked = connect_unix(daemon.socket());
  write_all(asked.get(), "mcp/late\nat once");
  shutdown(asked.get(), SHUT_WR);
  CHECK(read_to_end(asked.get()) == "ok\nearly at once");
}

TEST_CASE("everybody in the guest may connect") {
  const ServiceDaemon daemon;
  struct stat info {};
  REQUIRE(stat(daemon.socket().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0666);
}

TEST_CASE("the model's port is one stream a connection with half-close") {
  ServiceDaemon daemon;
  const std::uint16_t port = free_port();
  daemon.call([&](Services& services) { services.serve_model(port); });
  daemon.call([&](Services& services) { services.serve_model(port); });
  for (int i = 0; i < 3; ++i) {
    const UniqueFd connection = connect_tcp(port);
    write_all(connection.get(), "POST /v1/responses HTTP/1.1\r\n\r\n");
    shutdown(connection.get(), SHUT_WR);
    CHECK(read_to_end(connection.get()) == "early POST /v1/responses HTTP/1.1\r\n\r\n");
  }
}

TEST_CASE("a refused model is an HTTP answer that says why") {
  ServiceDaemon daemon([](StreamPtr stream) { return refuse(std::move(stream)); });
  const std::uint16_t port = free_port();
  daemon.call([&](Services& services) { services.serve_model(port); });
  const UniqueFd connection = connect_tcp(port);
  const std::string answer = read_to_end(connection.get());
  CHECK(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
  CHECK(answer.ends_with("\r\n\r\nthe profile does not allow it\n"));
}

TEST_CASE("connections beyond the limit are closed and there is room again when others end") {
  const ServiceDaemon daemon;
  std::vector<UniqueFd> held;
  const auto ask = [&] {
    UniqueFd fd = connect_unix(daemon.socket());
    write_all(fd.get(), "mcp/late\n");
    return fd;
  };
  char answer[3] = {};
  for (std::size_t i = 0; i < max_service_connections; ++i) {
    held.push_back(ask());
    REQUIRE(read(held.back().get(), answer, 3) == 3);
  }
  const UniqueFd refused = connect_unix(daemon.socket());
  CHECK(read_to_end(refused.get()).empty());
  held.clear();
  // The daemon hears of the ends in its own time.
  std::string got;
  for (int i = 0; i < 500 && got.empty(); ++i) {
    try {
      const UniqueFd again = ask();
      shutdown(again.get(), SHUT_WR);
      got = read_to_end(again.get());
    } catch (const Error&) {
      usleep(10'000);
    }
    if (got.empty()) usleep(10'000);
  }
  CHECK(got == "ok\nearly ");
}

}  // namespace agentvm::guest
