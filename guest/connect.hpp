// connect.hpp - joins a stream of the control link to a program of the guest that listens on loopback.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>

#include "base/link/link.hpp"

namespace agentvm::guest {

/// Connects to 127.0.0.1:PORT; answers 200 and passes bytes both ways until both are done, or 502 with a sentence when
/// nobody listens there.
boost::asio::awaitable<void> connect_port(link::StreamPtr stream, std::uint16_t port);

}  // namespace agentvm::guest
