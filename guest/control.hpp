// control.hpp - what the host may ask of the guest over the control link (base/wire/guest.hpp).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>

#include "base/link/link.hpp"
#include "base/wire/guest.hpp"
#include "guest/host_link.hpp"
#include "guest/processes.hpp"

namespace agentvm::guest {

/// The link's limits on our side: each process has up to four streams; connections to published ports and a few
/// requests stand beside them.
inline constexpr std::uint32_t max_control_streams = 4 * max_processes + max_published_connections + 64;

/// What the control link can make happen beyond processes.
struct ControlActions {
  std::function<SetupReply(const GuestSetup&)> setup;  ///< may throw Error
  std::function<void()> shutdown;                      ///< returns at once
  /// Ends both links, which the host will make anew; returns at once. Empty: links cannot be made anew here.
  std::function<void()> drop = {};
};

/// Answers the streams of one control link: `link` is told of its session by the caller, and has to be another one for
/// the next.
link::Handler control_handler(std::shared_ptr<ProcessTable> processes, ControlActions actions,
                              std::shared_ptr<HostLink> link);

}  // namespace agentvm::guest
