// network.hpp - gives the guest's network card its address, route and resolver.
#pragma once

#include <string>

#include "base/wire/guest.hpp"

namespace agentvm::guest {

/// Waits up to 5 s for the card, for its driver may still be finding it; throws Error naming the MAC when it does not
/// come, and the setting when one cannot be made. May be repeated.
void set_up_network(const NetworkSetup& network);

/// The interface with that MAC below `directory` (/sys/class/net); "": none.
std::string find_card(const std::string& directory, const std::string& mac);

}  // namespace agentvm::guest
