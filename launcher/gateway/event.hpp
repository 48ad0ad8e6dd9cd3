// event.hpp - how a gateway tells what passed through it.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>

namespace agentvm::gateway {

/// Takes one event, an object with "event" and the fields base/wire/supervisor.hpp names; the taker adds "time". All
/// strings are valid UTF-8 and cut to a few hundred bytes. Called on the io_context's thread; must not throw.
using EventSink = std::function<void(nlohmann::json event)>;

}  // namespace agentvm::gateway
