// model_gateway.cpp - the guest's connections: one request after another, each an Exchange.
#include "launcher/gateway/model/model_gateway.hpp"

#include <optional>
#include <utility>

#include "base/async/counted.hpp"
#include "base/error.hpp"
#include "base/link/read_within.hpp"
#include "launcher/gateway/http/http_reader.hpp"
#include "launcher/gateway/model/exchange.hpp"
#include "launcher/gateway/model/model_http.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

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

asio::awaitable<void> serve_connection(ModelService& service, link::StreamPtr guest) {
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
  State(asio::any_io_executor executor, const vmspec::ModelSpec& model, EventSink events, ModelLimits limits)
      : service(std::move(executor), model, std::move(events), limits) {}
  ModelService service;
  std::size_t connections = 0;

  // Each takes its state along: the gateway may be gone before they begin.
  static asio::awaitable<void> read_key(std::shared_ptr<State> state) { co_await state->service.key.get(); }
  static asio::awaitable<void> serve(std::shared_ptr<State> state, link::StreamPtr stream) {
    const Counted counted(state->connections);
    if (state->connections > state->service.limits.connections) {
      throw Error("the model gateway has " + std::to_string(state->service.limits.connections) +
                  " connections, which is its limit");
    }
    co_await serve_connection(state->service, std::move(stream));
  }
};

ModelGateway::ModelGateway(asio::any_io_executor executor, const vmspec::ModelSpec& model, EventSink events,
                           ModelLimits limits)
    : state_(std::make_shared<State>(std::move(executor), model, std::move(events), limits)) {}

ModelGateway::~ModelGateway() = default;

asio::awaitable<void> ModelGateway::prestart() const {
  return State::read_key(state_);
}

link::Handler ModelGateway::handler() const {
  return [state = state_](link::StreamPtr stream) { return State::serve(state, std::move(stream)); };
}

}  // namespace agentvm::gateway
