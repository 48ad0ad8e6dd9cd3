// model_gateway.hpp - the guest's HTTP requests to its model, sent on to the real endpoint with the key it never sees.
//
// A stream carries one raw HTTP/1.1 connection of a guest program, with any number of requests one after the other.
// Each head is parsed under limits and written anew: only paths under /v1 are taken, which stands for the upstream's
// base path; the guest's credentials, cookies and hop-by-hop fields fall away; Host and Authorization are ours. Bodies
// pass untouched and as they come, so server-sent events arrive when they are sent. Redirects go back to the guest as
// they are.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/link/link.hpp"
#include "launcher/gateway/event.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::gateway {

struct ModelLimits {
  std::size_t head_bytes = 64 * 1024;
  std::uint64_t body_bytes = std::uint64_t{64} << 20;
  std::size_t connections = 32;                        ///< streams served at once
  std::chrono::milliseconds head_time{15'000};         ///< from a head's first byte to its last
  std::chrono::milliseconds keep_alive_time{300'000};  ///< an idle connection between two requests
  std::chrono::milliseconds body_time{60'000};         ///< without a byte of the request's body, either way
  std::chrono::milliseconds connect_time{15'000};      ///< name, TCP and TLS together
  std::chrono::milliseconds response_time{600'000};    ///< without a byte of the answer
};

class ModelGateway {
 public:
  /// `key` is sent as `Authorization: Bearer KEY`; "" sends none. Throws Error when the upstream's address is refused.
  ModelGateway(boost::asio::any_io_executor executor, const vmspec::ModelSpec& model, std::string key, EventSink events,
               ModelLimits limits = {});
  ~ModelGateway();
  ModelGateway(const ModelGateway&) = delete;
  ModelGateway& operator=(const ModelGateway&) = delete;

  /// Serves one connection until either side ends it. Events: one model-request for each request, command for each
  /// shell command in a streamed answer. Throws Error before the first byte when too many connections are open.
  boost::asio::awaitable<void> serve(link::StreamPtr stream);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the connections being served, which may outlive the gateway
};

}  // namespace agentvm::gateway
