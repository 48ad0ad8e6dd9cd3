// lent_key.cpp - see lent_key.hpp.
#include "launcher/gateway/model/lent_key.hpp"

#include <utility>

#include "launcher/gateway/model/key.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;
using Kind = vmspec::KeySource::Kind;
using std::chrono::steady_clock;

LentKey::LentKey(asio::any_io_executor executor, vmspec::ModelSpec model)
    : model_(std::move(model)), changed_(std::move(executor)) {}

asio::awaitable<void> LentKey::read() {
  // The reader may be cancelled or fail: then the next one in the queue reads.
  struct Reading {
    explicit Reading(LentKey& key) : key_(key) { key_.reading_ = true; }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading() {
      key_.reading_ = false;
      key_.changed_.notify();
    }
    LentKey& key_;
  };
  const Reading reading(*this);
  auto asked = read_model_key(model_);
  key_ = co_await std::move(asked);
}

asio::awaitable<std::string> LentKey::get() {
  while (reading_) co_await changed_.wait();
  if (!key_) co_await read();
  co_return *key_;
}

asio::awaitable<bool> LentKey::renew(std::string refused) {
  while (reading_) co_await changed_.wait();
  if (key_ != refused) co_return key_.has_value();  // somebody was faster
  if (!renewable() || (renewed_at_ && steady_clock::now() - *renewed_at_ < renewal_rest)) co_return false;
  renewed_at_ = steady_clock::now();
  co_await read();
  co_return key_ != refused;
}

bool LentKey::renewable() const noexcept {
  return model_.key.kind == Kind::file || model_.key.kind == Kind::command;
}

std::string LentKey::source() const {
  switch (model_.key.kind) {
    case Kind::env:
      return "the variable " + model_.key.name;
    case Kind::file:
      return "the file that model.key names";
    case Kind::command:
      return "the command that model.key names";
    case Kind::none:
      break;
  }
  return "nowhere";
}

bool LentKey::is_in(const std::string& text) const noexcept {
  return key_ && !key_->empty() && text.find(*key_) != std::string::npos;
}

}  // namespace agentvm::gateway
