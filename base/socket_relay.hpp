// socket_relay.hpp - joins a connected socket to a stream of a link: bytes, half-close, back-pressure, and resets.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <string>

#include "base/link/link.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::link {

/// A non-blocking socket with an object for each direction, so that one can be given up while the other goes on.
struct RelaySocket {
  RelaySocket(const boost::asio::any_io_executor& executor, UniqueFd fd);
  boost::asio::posix::stream_descriptor out;
  boost::asio::posix::stream_descriptor in;
};

boost::asio::awaitable<void> send_to_socket(boost::asio::posix::stream_descriptor& out, std::string bytes);
/// The stream's bytes to the socket, and their end.
boost::asio::awaitable<void> receive_into_socket(Stream& stream, boost::asio::posix::stream_descriptor& out);
/// The socket's bytes to the stream and their end, until the stream is closed. A lost stream is the receiver's to
/// report.
boost::asio::awaitable<void> send_while_wanted(boost::asio::posix::stream_descriptor& in, Stream& stream);

/// Both directions, until both are done.
boost::asio::awaitable<void> join_socket(RelaySocket& socket, Stream& stream);

}  // namespace agentvm::link
