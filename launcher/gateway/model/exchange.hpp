// exchange.hpp - one request of the guest to the model's endpoint, and its answer.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/link/link.hpp"
#include "launcher/gateway/event.hpp"
#include "launcher/gateway/http/http_reader.hpp"
#include "launcher/gateway/http/upstream.hpp"
#include "launcher/gateway/http/upstream_url.hpp"
#include "launcher/gateway/model/kept_body.hpp"
#include "launcher/gateway/model/lent_key.hpp"
#include "launcher/gateway/model/model_gateway.hpp"
#include "launcher/gateway/model/model_http.hpp"
#include "launcher/host/proxy.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::gateway {

/// What all connections of a gateway have in common.
struct ModelService {
  /// Throws Error: the upstream, or the host's proxy, is refused.
  ModelService(boost::asio::any_io_executor on, const vmspec::ModelSpec& model, EventSink sink, ModelLimits within);

  boost::asio::any_io_executor executor;
  UpstreamUrl upstream;
  std::optional<host::ProxyUrl> proxy;
  LentKey key;
  EventSink events;
  ModelLimits limits;
  TlsTrust trust = {};
  KeptBudget kept = {};
};

/// Asks the endpoint once, and once more when the endpoint refuses a key that can be read anew. The guest never sees a
/// 401: some agents repeat such a request for minutes, and no guest can do anything about the key.
///
/// In each attempt three things run side by side until the first of them ends: the answer's way back, the request
/// body's way out (which may be answered before it is complete), and the watch for a guest that broke the stream off.
class Exchange {
 public:
  /// All three outlive it.
  Exchange(ModelService& service, link::Stream& guest, HttpReader& request)
      : service_(service), guest_(guest), request_(request), sent_(service.kept, service.key.renewable()) {}

  /// Answers the request whose head has been read; true when the connection can take another one.
  boost::asio::awaitable<bool> run();

 private:
  /// Ends a request with an answer of our own.
  struct Refusal {
    int status = 0;
    std::string code, message;
  };

  boost::asio::awaitable<void> perform();
  boost::asio::awaitable<void> attempt();
  boost::asio::awaitable<void> renew_key();
  boost::asio::awaitable<void> send_body();
  boost::asio::awaitable<void> receive_answer();
  boost::asio::awaitable<HttpReader> read_head();
  boost::asio::awaitable<void> pass_body(HttpReader& answer, Framing framing);
  boost::asio::awaitable<std::string> read_refusal(HttpReader& answer);
  Refusal key_refusal() const;
  boost::asio::awaitable<void> refuse(Refusal refusal);
  void report() const;

  ModelService& service_;
  link::Stream& guest_;
  HttpReader& request_;
  KeptBody sent_;
  std::string key_;
  std::unique_ptr<Upstream> upstream_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::optional<HttpError> guest_fault_;
  std::optional<Refusal> refusal_;  // when we answer by ourselves
  std::string host_fault_;          // for the host's journal alone
  int key_status_ = 0;              // 401 or 403: the upstream refused the key or the request
  std::string upstream_reason_;     // its own words
  bool continued_ = false;
  bool body_sent_ = false;
  bool answer_begun_ = false;
  bool reusable_ = false;
  int status_ = 0;  // as the guest was told; 0: it left before
  std::uint64_t request_bytes_ = 0;
  std::uint64_t response_bytes_ = 0;
};

}  // namespace agentvm::gateway
