// control.hpp - what the host may ask of the guest over the control link (protocol.hpp).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>

#include "base/link/link.hpp"
#include "base/wire/guest.hpp"
#include "guest/processes.hpp"

namespace agentvm::guest {

/// The link's limits on our side: each process has up to four streams; connections to published ports and a few
/// requests stand beside them.
inline constexpr std::uint32_t max_control_streams = 4 * max_processes + max_published_connections + 64;

/// What the control link can make happen beyond processes.
struct ControlActions {
  std::function<SetupReply(const GuestSetup&)> setup;  ///< may throw Error
  std::function<void()> shutdown;                      ///< returns at once
};

/// Answers the streams of the control link.
link::Handler control_handler(std::shared_ptr<ProcessTable> processes, ControlActions actions);

}  // namespace agentvm::guest
