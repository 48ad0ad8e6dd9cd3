// hostile_peer.hpp - one link session against a peer that says whatever the fuzzer wants.
#pragma once

#include <string>

#include "base/link/link.hpp"

namespace agentvm::fuzz {

/// Runs `session` (over a socket pair whose other end says `bytes` in pieces of at most `piece` bytes, reads
/// everything and then hangs up) and `beside`, a coroutine that uses the session. Aborts, which the fuzzer reports,
/// when the session has not ended a few seconds after the peer is gone.
void converse(link::Role role, link::Handler handler,
              std::function<boost::asio::awaitable<void>(link::SessionPtr)> beside, std::string bytes,
              std::size_t piece);

}  // namespace agentvm::fuzz
