// service_manager.hpp - tells systemd that agentvm-guest is ready, where systemd started it.
#pragma once

namespace agentvm::guest {

/// READY=1 to the socket that the environment's NOTIFY_SOCKET names (sd_notify(3)). Without one, and when nobody reads
/// there, nothing happens: being ready is no reason to fail.
void notify_ready() noexcept;

}  // namespace agentvm::guest
