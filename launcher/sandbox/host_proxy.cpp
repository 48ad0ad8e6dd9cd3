// host_proxy.cpp - see host_proxy.hpp. The sandbox is hostile: heads are bounded, connections counted, waits limited.
#include "launcher/sandbox/host_proxy.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <thread>

#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/async/task_group.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::sandbox {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t most_head_bytes = 16 * 1024;
constexpr std::size_t most_connections = 128;
constexpr std::size_t most_words = 64 * 1024;
constexpr auto gate_limit = 10s;
constexpr auto head_limit = 30s;
constexpr auto connect_limit = 30s;
constexpr auto accept_pause = 100ms;

/// What a request is refused with.
struct Refusal {
  int status;
  std::string sentence;
};

std::string answer_of(const Refusal& refusal) {
  const std::string body = "agentvm: " + refusal.sentence + "\n";
  return "HTTP/1.1 " + std::to_string(refusal.status) + (refusal.status == 403 ? " Forbidden" : " Error") +
         "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string shown(const ProxyTarget& target) {
  return target.host + ":" + std::to_string(target.port);
}

/// The fields of a head, each with the line end before it: those about the connection to us are not the server's.
std::string without_connection_fields(std::string_view fields) {
  std::string out;
  while (!fields.empty()) {
    const std::size_t end = std::min(fields.find("\r\n", 2), fields.size());
    const std::string_view line = fields.substr(0, end);
    std::string name(line.substr(2, std::min(line.find(':'), line.size()) - 2));
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    if (name != "connection" && name != "keep-alive" && !name.starts_with("proxy-")) out += line;
    fields.remove_prefix(end);
  }
  return out;
}

asio::awaitable<void> pump(tcp::socket& from, tcp::socket& to) {
  std::array<char, 16 * 1024> buffer;
  for (;;) {
    const auto [error, size] = co_await from.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (error) break;
    const auto [failed, written] =
        co_await asio::async_write(to, asio::buffer(buffer.data(), size), asio::as_tuple(asio::use_awaitable));
    if (failed) break;
  }
  boost::system::error_code ignored;
  to.shutdown(tcp::socket::shutdown_send, ignored);
}

/// Up to and with the empty line; what followed it is left in `rest`. Throws what reading throws.
asio::awaitable<std::string> read_head(tcp::socket& from, std::string& rest) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    if (const std::size_t end = text.find("\r\n\r\n"); end != std::string::npos) {
      rest = text.substr(end + 4);
      text.resize(end + 4);
      co_return text;
    }
    if (text.size() > most_head_bytes) throw Error("a head of more than 16 KiB");
    text.append(buffer.data(), co_await from.async_read_some(asio::buffer(buffer), asio::use_awaitable));
  }
}

}  // namespace

struct HostProxy::Service : std::enable_shared_from_this<HostProxy::Service> {
  Service(StartGate held, HostProxyOptions chosen) : gate(std::move(held)), options(std::move(chosen)) {}

  StartGate gate;
  HostProxyOptions options;
  asio::io_context io{1};
  std::size_t said = 0;

  void run();
  void say(const std::string& sentence) noexcept;
  asio::awaitable<void> accept(UniqueFd listener);
  asio::awaitable<void> serve(tcp::socket inside);
  asio::awaitable<void> relay(tcp::socket& inside, tcp::socket& outside, std::string head, std::string rest,
                              const ProxyTarget& target, bool by_proxy);
  asio::awaitable<std::optional<Refusal>> connect(tcp::socket& outside, const ProxyTarget& target, Reach reach,
                                                  bool by_proxy);
};

void HostProxy::Service::say(const std::string& sentence) noexcept {
  if (!options.words || said > most_words) return;
  said += sentence.size();
  try {
    write_all(options.words.get(), "agentvm: " + sentence + "\n");
  } catch (const std::exception&) {
    options.words.reset();  // nobody reads any more
  }
}

void HostProxy::Service::run() {
  try {
    UniqueFd listener = gate.listen_inside(gate_limit);
    gate.open();
    asio::co_spawn(io, accept(std::move(listener)), [](const std::exception_ptr&) {});
    io.run();
  } catch (const std::exception& error) {
    say(std::string("this sandbox has no way to the network: ") + error.what());
    gate.open();
  }
}

asio::awaitable<void> HostProxy::Service::accept(UniqueFd listener) {
  tcp::acceptor acceptor(io, tcp::v4(), listener.release());
  TaskGroup connections(io.get_executor());
  for (;;) {
    auto [error, inside] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (error == asio::error::operation_aborted) co_return;
    if (error || connections.size() >= most_connections) {
      co_await sleep_for(accept_pause);  // too many descriptors, or connections
      continue;
    }
    connections.spawn(serve(std::move(inside)));
  }
}

asio::awaitable<void> HostProxy::Service::serve(tcp::socket inside) {
  std::string head;
  std::string rest;
  const auto reading = [&]() -> asio::awaitable<void> { head = co_await read_head(inside, rest); };
  auto read = reading();
  auto over = sleep_for(head_limit);
  if (co_await race(std::move(read), std::move(over)) != 0) co_return;
  const auto target = parse_proxy_request(std::string_view(head).substr(0, head.find("\r\n")));
  std::optional<Refusal> refusal;
  tcp::socket outside(io);
  bool by_proxy = false;
  if (!target) {
    refusal = Refusal{400, "this is neither CONNECT HOST:PORT nor a request for http://HOST/"};
  } else if (const Reach reach = reach_of(options.hosts, *target); reach == Reach::none) {
    refusal = Refusal{403, shown(*target) + " is not among the hosts that this sandbox may reach"};
  } else {
    by_proxy =
        options.proxy && reach != Reach::literal && options.proxy->serves(target->host, std::to_string(target->port));
    const auto connecting = [&]() -> asio::awaitable<void> {
      refusal = co_await connect(outside, *target, reach, by_proxy);
    };
    auto connection = connecting();
    auto limit = sleep_for(connect_limit);
    if (co_await race(std::move(connection), std::move(limit)) != 0) {
      refusal = Refusal{504, shown(*target) + " did not answer within 30 s"};
    }
  }
  if (refusal) {
    say(refusal->sentence);
    const std::string answer = answer_of(*refusal);
    co_await asio::async_write(inside, asio::buffer(answer), asio::as_tuple(asio::use_awaitable));
    co_return;
  }
  co_await relay(inside, outside, std::move(head), std::move(rest), *target, by_proxy);
}

asio::awaitable<void> HostProxy::Service::relay(tcp::socket& inside, tcp::socket& outside, std::string head,
                                                std::string rest, const ProxyTarget& target, bool by_proxy) {
  if (target.tunnel) {
    const std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    co_await asio::async_write(inside, asio::buffer(answer), asio::use_awaitable);
  } else {
    // One request a connection: what comes after it would be for another server.
    const std::size_t line = head.find("\r\n");
    std::string first = by_proxy ? head.substr(0, line) : target.origin;
    first += "\r\n";
    if (by_proxy) first += host::authorization_field(options.proxy->url);
    first += "Connection: close";
    rest = first + without_connection_fields(std::string_view(head).substr(line)) + rest;
  }
  if (!rest.empty()) co_await asio::async_write(outside, asio::buffer(rest), asio::use_awaitable);
  // Both ways to their ends: a half that is closed does not end the other.
  const auto both = [](asio::awaitable<void> there, asio::awaitable<void> back) -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    auto group = asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(there), asio::deferred),
                                                         asio::co_spawn(executor, std::move(back), asio::deferred));
    co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  };
  auto there = pump(inside, outside);
  auto back = pump(outside, inside);
  auto all = both(std::move(there), std::move(back));
  co_await std::move(all);
}

asio::awaitable<std::optional<Refusal>> HostProxy::Service::connect(tcp::socket& outside, const ProxyTarget& target,
                                                                    Reach reach, bool by_proxy) {
  boost::system::error_code literal;
  const auto address = asio::ip::make_address(target.host, literal);
  if (!literal && !may_connect(reach, address)) co_return Refusal{403, shown(target) + " is no public address"};
  tcp::resolver resolver(io);
  const std::string host = by_proxy ? options.proxy->url.host : target.host;
  const std::string port = by_proxy ? options.proxy->url.port : std::to_string(target.port);
  const auto [unknown, found] = co_await resolver.async_resolve(host, port, asio::as_tuple(asio::use_awaitable));
  if (unknown) co_return Refusal{502, host + " cannot be resolved: " + unknown.message()};
  boost::system::error_code failed = asio::error::host_not_found;
  bool any_allowed = false;
  for (const auto& entry : found) {
    const tcp::endpoint endpoint = entry.endpoint();
    if (!by_proxy && !may_connect(reach, endpoint.address())) continue;
    any_allowed = true;
    boost::system::error_code ignored;
    outside.close(ignored);
    const auto [error] = co_await outside.async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
    failed = error;
    if (!error) break;
  }
  if (!any_allowed) co_return Refusal{403, target.host + " leads to no public address"};
  if (failed) co_return Refusal{502, host + " cannot be reached: " + failed.message()};
  if (!by_proxy || !target.tunnel) co_return std::nullopt;
  const std::string request = host::connect_request(options.proxy->url, target.host, std::to_string(target.port));
  co_await asio::async_write(outside, asio::buffer(request), asio::use_awaitable);
  std::string rest;
  const std::string answer = co_await read_head(outside, rest);
  if (answer.size() > 12 && answer.compare(0, 7, "HTTP/1.") == 0 && answer[9] == '2') co_return std::nullopt;
  co_return Refusal{502, "the proxy " + options.proxy->url.name() + " refused " + shown(target) + ": " +
                             answer.substr(0, answer.find("\r\n"))};
}

HostProxy::HostProxy(StartGate gate, HostProxyOptions options)
    : service_(std::make_shared<Service>(std::move(gate), std::move(options))) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  // Signals are for the thread that started us.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([service = service_] { service->run(); }).detach();
  } catch (const std::system_error& error) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw system_error(error.code().value(), "starting a thread for the way out of a sandbox");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

HostProxy::~HostProxy() {
  service_->io.stop();
}

std::vector<std::pair<std::string, std::string>> way_out_variables() {
  const std::string url = "http://127.0.0.1:" + std::to_string(way_out_port);
  return {{"HTTPS_PROXY", url},
          {"https_proxy", url},
          {"HTTP_PROXY", url},
          {"http_proxy", url},
          // Node.js 24 and newer look at the others only then.
          {"NODE_USE_ENV_PROXY", "1"}};
}

}  // namespace agentvm::sandbox
