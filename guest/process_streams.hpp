// process_streams.hpp - a process's stdin, stdout and stderr as streams of the link, with back-pressure both ways.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>

#include "base/link/link.hpp"
#include "guest/processes.hpp"

namespace agentvm::guest {

/// Children left behind may hold an ended process's pipe open for ever: after this long without a byte it is closed.
inline constexpr std::chrono::milliseconds idle_after_exit{100};

/// Writes the stream's body to stdin and passes its end on; finishes the stream when that is done, when the process
/// reads no more, or when it has ended. A stream that is lost with its link leaves stdin open for the next one.
/// `input.sink` must be there and `input.stream` must not.
boost::asio::awaitable<void> feed_input(ProcessPtr process, link::StreamPtr stream, std::shared_ptr<HostLink> link);

/// Sends one of the process's outputs as the stream's body, from `offset` on, which must be in its range. A stream that
/// is lost with its link leaves the rest for the next one; a stream that the host resets closes the pipe.
/// `output.stream` must not be there.
boost::asio::awaitable<void> send_output(ProcessPtr process, Process::Output& output, link::StreamPtr stream,
                                         std::shared_ptr<HostLink> link, std::uint64_t offset);

/// Answers with the process's id, and with its exit code as trailers once it has ended. A reset of the stream kills the
/// process and all of its session; a lost link does not. `process->end.stream` must not be there.
boost::asio::awaitable<void> send_end(ProcessPtr process, link::StreamPtr stream, std::shared_ptr<HostLink> link);

}  // namespace agentvm::guest
