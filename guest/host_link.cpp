// host_link.cpp - whether a link stands, and what of it has arrived.
#include "guest/host_link.hpp"

#include "base/error.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;

bool HostLink::lost() const noexcept {
  if (dropping_) return true;
  if (!known_) return false;
  const auto session = session_.lock();
  return !session || !session->open_for_streams();
}

asio::awaitable<bool> HostLink::delivered() {
  const std::uint64_t mine = ++asked_;
  while (confirmed_ < mine) {
    if (pinging_) {
      co_await answered_.wait();
      continue;
    }
    const auto session = session_.lock();
    if (!session) co_return !known_;
    pinging_ = true;
    const std::uint64_t covered = asked_;
    bool good = true;
    try {
      auto ping = session->ping();
      co_await std::move(ping);
    } catch (const Error&) {
      good = false;
    }
    pinging_ = false;
    if (good) confirmed_ = covered;
    answered_.notify();
    if (!good) co_return false;
  }
  co_return true;
}

}  // namespace agentvm::guest
