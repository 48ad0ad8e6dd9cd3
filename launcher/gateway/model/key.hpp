// key.hpp - reads the model's key from where the profile says it is.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::gateway {

/// Longest key taken, bytes.
inline constexpr std::size_t max_key_bytes = 16 * 1024;

/// The key for the model's endpoint; "" when it goes without: no source is named, or the named variable is unset and
/// the endpoint is a loopback one. One trailing newline is cut off. A command is a child that has 10 seconds and blocks
/// nobody; it is killed with its process group when the coroutine is cancelled. Throws Error (which never holds the
/// key) when the variable is unset for an https endpoint, the file is missing, no plain file or open to the group or to
/// others, the command fails, or the key holds anything but printable ASCII.
boost::asio::awaitable<std::string> read_model_key(vmspec::ModelSpec model);

}  // namespace agentvm::gateway
