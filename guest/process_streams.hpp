// process_streams.hpp - a process's stdin, stdout and stderr as streams of the link, with back-pressure both ways.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>

#include "base/link/link.hpp"
#include "guest/processes.hpp"

namespace agentvm::guest {

/// Children left behind may hold an ended process's pipe open for ever: after this long without a byte it is closed.
inline constexpr std::chrono::milliseconds idle_after_exit{100};

/// Writes the stream's body to stdin and passes its end on; finishes the stream when that is done, when the process
/// reads no more, or when it has ended. The process's input must be there, and is taken.
boost::asio::awaitable<void> feed_input(ProcessPtr process, link::StreamPtr stream);

/// Sends one of the process's outputs as the stream's body. `output.source` must be there, and is taken.
boost::asio::awaitable<void> send_output(ProcessPtr process, Process::Output& output, link::StreamPtr stream);

}  // namespace agentvm::guest
