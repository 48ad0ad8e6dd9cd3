// exchange.cpp - see exchange.hpp.
#include "launcher/gateway/model/exchange.hpp"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/error.hpp"
#include "base/link/read_within.hpp"
#include "launcher/gateway/json_guard.hpp"
#include "launcher/gateway/model/sse_observer.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t shown_path_bytes = 300;

/// Of an answer that says no, for its reason.
constexpr std::size_t refusal_bytes = 64 * 1024;
constexpr std::size_t shown_refusal_bytes = 300;
constexpr std::chrono::seconds refusal_time{5};

std::string variable_of_host(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? value : "";
}

asio::awaitable<void> until_cancelled(asio::any_io_executor executor) {
  AsyncEvent never(executor);
  co_await never.wait();
}

}  // namespace

ModelService::ModelService(asio::any_io_executor on, const vmspec::ModelSpec& model, EventSink sink, ModelLimits within)
    : executor(on),
      upstream(parse_upstream(model.upstream)),
      proxy(upstream.tls ? host::proxy_for(upstream.host, upstream.port, variable_of_host) : std::nullopt),
      key(std::move(on), model),
      events(std::move(sink)),
      limits(within) {
  key.renewal_rest = limits.key_renewal_rest;
  kept.left = limits.kept_bytes;
}

asio::awaitable<bool> Exchange::run() {
  bool broken_off = false;
  try {
    co_await perform();
  } catch (const HttpError& error) {
    refusal_ = Refusal{error.status(), error.status() == 403 ? "not_allowed" : "bad_request", error.what()};
  } catch (const Error& error) {
    broken_off = guest_.broken();
    refusal_ = Refusal{502, "upstream_failed", error.what()};
  }
  reusable_ = reusable_ && !refusal_;
  if (refusal_ && !broken_off) {
    if (answer_begun_) {
      // The guest must not take a part for the whole: an answer without its proper end is an error to every client.
      guest_.reset();
    } else {
      co_await refuse(*refusal_);
    }
  }
  report();
  co_return reusable_;
}

asio::awaitable<void> Exchange::refuse(Refusal refusal) {
  status_ = refusal.status;
  try {
    co_await guest_.write(
        error_response(refusal.status, refusal.code, refusal.message, request_.head().method == "HEAD"));
  } catch (const Error&) {
    status_ = 0;  // it left while being told
  }
}

asio::awaitable<void> Exchange::perform() {
  upstream_target(request_.head(), service_.upstream);  // refused before anything is asked for it
  const auto take_key = [this]() -> asio::awaitable<void> {
    try {
      key_ = co_await service_.key.get();
    } catch (const Error& error) {
      host_fault_ = error.what();
    }
  };
  if (co_await race(take_key(), guest_.closed()) == 1) co_return;
  if (!host_fault_.empty()) {
    refusal_ = key_refusal();
    co_return;
  }
  co_await attempt();
  if (key_status_ != 401 || !service_.key.renewable()) {
    if (key_status_ != 0) refusal_ = key_refusal();
    co_return;
  }
  co_await renew_key();
}

/// The endpoint refused the key: a second attempt with another one, where there is one.
asio::awaitable<void> Exchange::renew_key() {
  bool renewed = false;
  const auto renew = [this, &renewed]() -> asio::awaitable<void> {
    try {
      renewed = co_await service_.key.renew(key_);
      key_ = co_await service_.key.get();
    } catch (const Error& error) {
      host_fault_ = error.what();
    }
  };
  if (co_await race(renew(), guest_.closed()) == 1) co_return;
  if (renewed && sent_.complete()) {
    key_status_ = 0;
    co_await attempt();
    if (key_status_ != 0) refusal_ = key_refusal();
  } else if (renewed) {
    refusal_ = Refusal{503, "key_renewed", "the model's key has just been renewed: send the request again"};
  } else {
    refusal_ = key_refusal();
  }
}

/// What the guest is told instead of the endpoint's 401 or 403, or of why the host has no key.
Exchange::Refusal Exchange::key_refusal() const {
  const std::string& host = service_.upstream.host;
  const std::string source = service_.key.source();
  if (!host_fault_.empty()) {
    return {
        403, "no_key",
        "there is no key for the model: " + source + " gave none. The host's `agentvm logs --source model` says why."};
  }
  if (key_status_ == 401 && key_.empty()) {
    return {403, "no_key", host + " asks for a key (401), and the profile's model.key names none: set it on the host."};
  }
  if (key_status_ == 401) {
    return {403, "key_refused",
            host + " refused the model's key (401), which comes from " + source + ": replace it on the host."};
  }
  const std::string words = upstream_reason_.empty() ? "" : ": " + upstream_reason_;
  return {403, "forbidden", host + " does not allow this request with the model's key (403)" + words};
}

asio::awaitable<void> Exchange::attempt() {
  const std::string head = upstream_request_head(request_.head(), service_.upstream, key_);
  const auto connect = [this]() -> asio::awaitable<void> {
    auto connecting =
        Upstream::connect({service_.upstream, service_.proxy}, service_.trust, service_.limits.connect_time);
    upstream_ = co_await std::move(connecting);
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
      expected != nullptr && !continued_ && same_word(*expected, "100-continue") && !request_.done()) {
    continued_ = true;
    co_await guest_.write("HTTP/1.1 100 Continue\r\n\r\n");
  }
  bool upstream_listens = true;
  std::string bytes = sent_.bytes();  // of the attempt before
  for (;;) {
    const std::string fresh = request_.take_body();
    request_bytes_ += fresh.size();
    sent_.add(fresh);
    bytes += fresh;
    std::string text = chunked && !bytes.empty() ? chunk(bytes) : std::move(bytes);
    bytes.clear();
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
    if (answer.head().status == 401 || answer.head().status == 403) {
      upstream_reason_ = co_await read_refusal(answer);
      key_status_ = answer.head().status;
      co_return;
    }
    sent_.drop();
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

/// The endpoint's own reason, as OpenAI's errors hold it, cut and without the key; "" when there is none.
asio::awaitable<std::string> Exchange::read_refusal(HttpReader& answer) {
  std::string body;
  const auto read = [&]() -> asio::awaitable<void> {
    while (!answer.done() && body.size() < refusal_bytes) {
      const std::string bytes = co_await upstream_->read(refusal_time);
      if (bytes.empty()) break;
      answer.feed(bytes);
      body += answer.take_body();
    }
  };
  body = answer.take_body();
  try {
    co_await race(read(), sleep_for(refusal_time));
  } catch (const std::exception&) {
    // The status has said what matters.
  }
  const auto document = guarded_parse(body);
  if (!document.value.is_object() || !document.value.contains("error")) co_return std::string();
  const auto& error = document.value["error"];
  const std::string message = error.is_object() ? string_member(error, "message") : std::string();
  const bool repeats_key = service_.key.is_in(message) || (!key_.empty() && message.find(key_) != std::string::npos);
  co_return repeats_key ? std::string() : utf8_prefix(message, shown_refusal_bytes);
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
  nlohmann::json event = {{"event", "model-request"},
                          {"method", head.method.substr(0, 20)},
                          {"path", std::move(path)},
                          {"status", status_},
                          {"ms", ms},
                          {"request_bytes", request_bytes_},
                          {"response_bytes", response_bytes_}};
  const std::string& reason = !host_fault_.empty() || !refusal_ ? host_fault_ : refusal_->message;
  if (!reason.empty()) event["error"] = utf8_prefix(reason, shown_path_bytes);
  service_.events(std::move(event));
}

}  // namespace agentvm::gateway
