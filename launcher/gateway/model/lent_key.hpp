// lent_key.hpp - the model's key as its gateway has it: read at the first use, and anew when the endpoint refuses it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "base/async/event.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::gateway {

/// On one thread. Everybody who asks while the key is being read waits for that reading.
class LentKey {
 public:
  LentKey(boost::asio::any_io_executor executor, vmspec::ModelSpec model);

  /// The key, "" for none. Throws Error as read_model_key does; the next call tries again.
  boost::asio::awaitable<std::string> get();

  /// After the endpoint refused `refused`: whether there is another key now. A file or a command is read again, but not
  /// within `renewal_rest` of the last time: a guest may make an endpoint refuse, and a command may ask a person.
  /// Throws Error as get does.
  boost::asio::awaitable<bool> renew(std::string refused);

  /// Whether reading again can give another key.
  bool renewable() const noexcept;
  /// Where the key comes from, in words that tell the guest nothing of the host: "the variable OPENAI_API_KEY".
  std::string source() const;
  /// Whether a text holds the key, which must not reach the guest.
  bool is_in(const std::string& text) const noexcept;

  std::chrono::milliseconds renewal_rest{10'000};

 private:
  boost::asio::awaitable<void> read();

  vmspec::ModelSpec model_;
  AsyncEvent changed_;
  bool reading_ = false;
  std::optional<std::string> key_;
  std::optional<std::chrono::steady_clock::time_point> renewed_at_;
};

}  // namespace agentvm::gateway
