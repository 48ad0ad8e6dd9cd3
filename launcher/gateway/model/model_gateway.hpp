// model_gateway.hpp - the guest's HTTP requests to its model, sent on to the real endpoint with the key it never sees.
//
// A stream carries one raw HTTP/1.1 connection of a guest program, with any number of requests one after the other.
// Each head is parsed under limits and written anew: a few methods and paths under /v1 are taken, which stands for the
// upstream's base path; of the guest's fields those pass that a client needs; Host and Authorization are ours. Bodies
// pass untouched and as they come, so server-sent events arrive when they are sent. Redirects go back to the guest as
// they are. An upstream's 401 and 403 become a 403 of ours that says what to do.
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
  std::chrono::milliseconds key_renewal_rest{10'000};  ///< between two readings of a refused key
  std::size_t kept_bytes = std::size_t{16} << 20;      ///< of all requests that may be repeated with a new key
};

class ModelGateway {
 public:
  /// The key is read from where `model` says, and sent as `Authorization: Bearer KEY`. https goes through the proxy
  /// that the host's variables name. Throws Error when the upstream's address or the proxy's is refused.
  ModelGateway(boost::asio::any_io_executor executor, const vmspec::ModelSpec& model, EventSink events,
               ModelLimits limits = {});
  ~ModelGateway();
  ModelGateway(const ModelGateway&) = delete;
  ModelGateway& operator=(const ModelGateway&) = delete;

  /// Reads the key. Throws Error when there is none to be had: better before the guest boots than in its first request.
  /// The gateway may go while this runs.
  boost::asio::awaitable<void> prestart() const;

  /// Serves one connection until either side ends it; the handler and what it serves may outlive the gateway. Events:
  /// one model-request for each request, with "error" where we refused it, command for each shell command in a streamed
  /// answer. Throws Error before the first byte when too many connections are open.
  link::Handler handler() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the handlers
};

}  // namespace agentvm::gateway
