// readable.hpp - waits for a descriptor that belongs to somebody else.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

namespace agentvm {

/// Completes when there is something to read from `fd`, or its end has come; with an error when it cannot be waited
/// for, or the coroutine is cancelled. The descriptor is only borrowed, and is not closed however this ends.
inline boost::asio::awaitable<boost::system::error_code> readable(int fd) {
  using Descriptor = boost::asio::posix::stream_descriptor;
  Descriptor watch(co_await boost::asio::this_coro::executor, fd);
  struct Release {
    Descriptor& watch;
    ~Release() { watch.release(); }
  } const release{watch};
  const auto [error] =
      co_await watch.async_wait(Descriptor::wait_read, boost::asio::as_tuple(boost::asio::use_awaitable));
  co_return error;
}

}  // namespace agentvm
