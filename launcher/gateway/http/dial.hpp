// dial.hpp - a TCP connection to the first of several addresses that answers (RFC 8305, "Happy Eyeballs").
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <string>
#include <vector>

namespace agentvm::gateway {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

/// How long an address has before the next one is tried beside it (RFC 8305, 5).
inline constexpr std::chrono::milliseconds attempt_delay{250};

/// The addresses of a host; throws boost::system::system_error. getaddrinfo(3) cannot be given up: when the coroutine
/// is cancelled its answer comes to nobody.
boost::asio::awaitable<Endpoints> resolve(std::string host, std::string port);

/// The order in which addresses are tried: as given, but with IPv6 and IPv4 in turn (RFC 8305, 4).
Endpoints in_turn(const Endpoints& endpoints);

/// Connects to one of `endpoints`, which are tried in their order: the next one when an attempt fails, or has not
/// succeeded for attempt_delay. Throws the last attempt's boost::system::system_error when all fail. Has no limit of
/// its own: cancel it.
boost::asio::awaitable<boost::asio::ip::tcp::socket> dial(Endpoints endpoints);

}  // namespace agentvm::gateway
