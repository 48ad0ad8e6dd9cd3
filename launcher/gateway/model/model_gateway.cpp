// model_gateway.cpp - see model_gateway.hpp. One ModelConnection serves a stream, one Exchange a request on it.
//
// In an Exchange three things run side by side until the first of them ends: the answer's way back, the request
// body's way out (which may be answered before it is complete), and the watch for a guest that broke the stream off.
#include "launcher/gateway/model/model_gateway.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/async/counted.hpp"
#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/error.hpp"
#include "base/link/read_within.hpp"
#include "launcher/gateway/http/http_reader.hpp"
#include "launcher/gateway/http/upstream.hpp"
#include "launcher/gateway/http/upstream_url.hpp"
#include "launcher/gateway/model/model_http.hpp"
#include "launcher/gateway/model/sse_observer.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t shown_path_bytes = 300;

/// What all connections of a gateway have in common.
struct Service {
  asio::any_io_executor executor;
  UpstreamUrl upstream;
  std::string key;
  EventSink events;
  ModelLimits limits;
  TlsTrust trust = {};
};

asio::awaitable<void> until_cancelled(asio::any_io_executor executor) {
  AsyncEvent never(executor);
  co_await never.wait();
}

class Exchange {
 public:
  Exchange(Service& service, link::Stream& guest, HttpReader& request)
      : service_(service), guest_(guest), request_(request) {}

  /// Answers the request whose head has been read; true when the connection can take another one.
  asio::awaitable<bool> run();

 private:
  asio::awaitable<void> perform();
  asio::awaitable<void> send_body();
  asio::awaitable<void> receive_answer();
  asio::awaitable<HttpReader> read_head();
  asio::awaitable<void> pass_body(HttpReader& answer, Framing framing);
  asio::awaitable<void> refuse(int status, std::string code, std::string message);
  void report() const;

  Service& service_;
  link::Stream& guest_;
  HttpReader& request_;
  std::unique_ptr<Upstream> upstream_;
  steady_clock::time_point start_ = steady_clock::now();
  std::optional<HttpError> guest_fault_;
  bool body_sent_ = false;
  bool answer_begun_ = false;
  bool reusable_ = false;
  int status_ = 0;  // as the guest was told; 0: it left before
  std::uint64_t request_bytes_ = 0;
  std::uint64_t response_bytes_ = 0;
};

asio::awaitable<bool> Exchange::run() {
  std::optional<std::pair<int, std::string>> failure;
  std::string code = "bad_request";
  bool broken_off = false;
  try {
    co_await perform();
  } catch (const HttpError& error) {
    failure.emplace(error.status(), error.what());
  } catch (const Error& error) {
    broken_off = guest_.broken();
    failure.emplace(502, error.what());
    code = "upstream_failed";
  }
  reusable_ = reusable_ && !failure;
  if (failure && !broken_off) {
    if (answer_begun_) {
      // The guest must not take a part for the whole: an answer without its proper end is an error to every client.
      guest_.reset();
    } else {
      co_await refuse(failure->first, code, failure->second);
    }
  }
  report();
  co_return reusable_;
}

asio::awaitable<void> Exchange::refuse(int status, std::string code, std::string message) {
  status_ = status;
  try {
    co_await guest_.write(error_response(status, code, message, request_.head().method == "HEAD"));
  } catch (const Error&) {
    status_ = 0;  // it left while being told
  }
}

asio::awaitable<void> Exchange::perform() {
  const std::string head = upstream_request_head(request_.head(), service_.upstream, service_.key);
  const auto connect = [this]() -> asio::awaitable<void> {
    upstream_ =
        co_await Upstream::connect(service_.executor, service_.upstream, service_.trust, service_.limits.connect_time);
  };
  const std::size_t over = co_await race(connect(), guest_.closed());
  if (over == 1) co_return;
  co_await upstream_->write(head, service_.limits.body_time);
  const std::size_t first = co_await race(receive_answer(), send_body(), guest_.closed());
  upstream_->close();
  if (first != 0) reusable_ = false;
  if (guest_fault_) throw HttpError(*guest_fault_);
}

asio::awaitable<void> Exchange::send_body() {
  const auto& limits = service_.limits;
  const bool chunked = request_.head().chunked;
  if (const std::string* expected = find_field(request_.head().fields, "expect");
      expected != nullptr && same_word(*expected, "100-continue") && !request_.done()) {
    co_await guest_.write("HTTP/1.1 100 Continue\r\n\r\n");
  }
  bool upstream_listens = true;
  for (;;) {
    const std::string bytes = request_.take_body();
    request_bytes_ += bytes.size();
    std::string text = chunked && !bytes.empty() ? chunk(bytes) : bytes;
    if (chunked && request_.done()) text += last_chunk;
    if (upstream_listens && !text.empty()) {
      try {
        co_await upstream_->write(std::move(text), limits.body_time);
      } catch (const Error&) {
        upstream_listens = false;  // it may have answered already: the reader finds out
      }
    }
    if (request_.done() || !upstream_listens) break;
    const auto more = co_await link::read_within(guest_, limits.body_time);
    try {
      if (!more) throw HttpError(408, "the request's body did not come in time");
      if (more->empty()) {
        request_.feed_end();
      } else {
        request_.feed(*more);
      }
    } catch (const HttpError& fault) {
      guest_fault_ = fault;
      co_return;
    }
  }
  body_sent_ = request_.done() && upstream_listens;
  co_await until_cancelled(service_.executor);
}

asio::awaitable<HttpReader> Exchange::read_head() {
  HttpReaderLimits reader_limits;
  reader_limits.head_bytes = service_.limits.head_bytes;
  reader_limits.without_body = request_.head().method == "HEAD";
  std::string rest;
  for (;;) {
    HttpReader answer(HttpKind::response, reader_limits);
    answer.feed(rest);
    while (!answer.head_done()) {
      const std::string bytes = co_await upstream_->read(service_.limits.response_time);
      if (bytes.empty()) throw Error(service_.upstream.host + " closed the connection without an answer");
      answer.feed(bytes);
    }
    if (answer.head().status / 100 != 1) co_return answer;
    rest = answer.take_rest();  // "100 Continue" and its like are between the two of us
  }
}

asio::awaitable<void> Exchange::receive_answer() {
  try {
    HttpReader answer = co_await read_head();
    const Framing framing = response_framing(request_.head(), answer.head());
    reusable_ = request_.head().keep_alive && framing != Framing::close && body_sent_;
    status_ = answer.head().status;
    const std::string head = guest_response_head(answer.head(), framing, reusable_);
    answer_begun_ = true;
    co_await guest_.write(head);
    co_await pass_body(answer, framing);
  } catch (const HttpError& error) {
    // Here it is the upstream that does not keep to the rules.
    throw Error(service_.upstream.host + " sent a bad answer: " + error.what());
  }
}

asio::awaitable<void> Exchange::pass_body(HttpReader& answer, Framing framing) {
  const std::string* type = find_field(answer.head().fields, "content-type");
  const bool events = type != nullptr && same_word(std::string_view(*type).substr(0, 17), "text/event-stream");
  SseObserver observer([this](std::string command) {
    service_.events({{"event", "command"}, {"command", std::move(command)}});
  });
  for (;;) {
    std::string body = answer.take_body();
    if (!body.empty() && framing != Framing::none) {
      response_bytes_ += body.size();
      if (events) observer.feed(body);
      if (framing == Framing::chunked) body = chunk(body);
      co_await guest_.write(std::move(body));
    }
    if (answer.done()) break;
    const std::string bytes = co_await upstream_->read(service_.limits.response_time);
    if (bytes.empty()) {
      answer.feed_end();
    } else {
      answer.feed(bytes);
    }
  }
  if (framing == Framing::chunked) co_await guest_.write(std::string(last_chunk));
}

void Exchange::report() const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start_).count();
  const HttpHead& head = request_.head();
  std::string path = head.target.substr(0, std::min(head.target.find('?'), shown_path_bytes));
  std::replace_if(
      path.begin(), path.end(), [](char c) { return c <= 0x20 || c >= 0x7f; }, '?');
  service_.events({{"event", "model-request"},
                   {"method", head.method.substr(0, 20)},
                   {"path", std::move(path)},
                   {"status", status_},
                   {"ms", ms},
                   {"request_bytes", request_bytes_},
                   {"response_bytes", response_bytes_}});
}

/// Reads the next request's head; false when the guest has no more. Throws HttpError.
asio::awaitable<bool> read_request_head(link::Stream& guest, HttpReader& request, const ModelLimits& limits) {
  std::optional<steady_clock::time_point> deadline;
  while (!request.head_done()) {
    if (request.started() && !deadline) deadline = steady_clock::now() + limits.head_time;
    const auto left = deadline ? std::chrono::ceil<std::chrono::milliseconds>(*deadline - steady_clock::now())
                               : limits.keep_alive_time;
    std::optional<std::string> bytes;
    if (left.count() > 0) bytes = co_await link::read_within(guest, left);
    if (!bytes && !request.started()) co_return false;
    if (!bytes) throw HttpError(408, "the request's head did not come in time");
    if (bytes->empty()) {
      if (!request.started()) co_return false;
      request.feed_end();
    }
    request.feed(*bytes);
  }
  co_return true;
}

asio::awaitable<void> serve_connection(Service& service, link::StreamPtr guest) {
  guest->respond(200);
  std::string rest;
  for (;;) {
    HttpReader request(HttpKind::request, {service.limits.head_bytes, service.limits.body_bytes});
    std::optional<HttpError> fault;
    try {
      request.feed(rest);
      if (!co_await read_request_head(*guest, request, service.limits)) break;
    } catch (const HttpError& error) {
      fault = error;
    }
    if (fault) {
      co_await guest->write(error_response(fault->status(), "bad_request", fault->what()));
      break;
    }
    Exchange exchange(service, *guest, request);
    if (!co_await exchange.run()) break;
    rest = request.take_rest();
  }
  if (!guest->broken()) guest->finish();
}

}  // namespace

struct ModelGateway::State {
  Service service;
  std::size_t connections = 0;
};

ModelGateway::ModelGateway(asio::any_io_executor executor, const vmspec::ModelSpec& model, std::string key,
                           EventSink events, ModelLimits limits)
    : state_(
          new State{{std::move(executor), parse_upstream(model.upstream), std::move(key), std::move(events), limits}}) {
}

ModelGateway::~ModelGateway() = default;

asio::awaitable<void> ModelGateway::serve(link::StreamPtr stream) {
  const auto state = state_;
  const Counted counted(state->connections);
  if (state->connections > state->service.limits.connections) {
    throw Error("the model gateway has " + std::to_string(state->service.limits.connections) +
                " connections, which is its limit");
  }
  co_await serve_connection(state->service, std::move(stream));
}

}  // namespace agentvm::gateway
