// tap.hpp - tap devices (Documentation/networking/tuntap.rst).
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace agentvm::network {

/// Makes a tap that `owner` may open, with IFF_VNET_HDR, and with IFF_MULTI_QUEUE when asked for. It lasts until its
/// link is removed, whoever has it open. `mark` is called with the device there and not lasting yet: what dies before
/// it has marked the link leaves none. Throws Error that names the tap, and /dev/net/tun when that is what is missing.
void make_tap(const std::string& name, uid_t owner, bool multi_queue, const std::function<void()>& mark);

/// Why no tap can be made here, one clause; "" when one can.
std::string tap_obstacle();

}  // namespace agentvm::network
