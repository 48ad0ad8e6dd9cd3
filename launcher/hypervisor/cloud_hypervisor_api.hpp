// cloud_hypervisor_api.hpp - cloud-hypervisor's REST interface: one request, one answer, one sentence when it fails.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace agentvm::hypervisor {

/// Requests to the VMM that listens on a unix socket, each on a connection of its own. What is awaited refers to no
/// object, so this may be destroyed meanwhile.
class CloudHypervisorApi {
 public:
  CloudHypervisorApi(boost::asio::any_io_executor executor, std::string socket)
      : executor_(std::move(executor)), socket_(std::move(socket)) {}

  /// GET /api/v1/ENDPOINT; the answer's document, null when it has none. `step` is what is being done, for the Error.
  boost::asio::awaitable<nlohmann::json> get(std::string step, std::string endpoint, std::chrono::milliseconds limit);
  /// PUT with a body (null: none). Throws Error with the step and the VMM's own words, or that it did not answer in
  /// time.
  boost::asio::awaitable<nlohmann::json> put(std::string step, std::string endpoint, nlohmann::json body,
                                             std::chrono::milliseconds limit);

 private:
  boost::asio::any_io_executor executor_;
  std::string socket_;
};

/// What an answer with an error status says, on one line: the causes from the outermost to the innermost, without those
/// that say nothing. `body` is a JSON array of sentences (v50 and newer) or plain text.
std::string api_error_words(unsigned status, std::string_view body);

}  // namespace agentvm::hypervisor
