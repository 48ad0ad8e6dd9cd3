// key.hpp - reads the model's key from where the profile says it is.
#pragma once

#include <string>

#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::gateway {

/// Longest key taken, bytes.
inline constexpr std::size_t max_key_bytes = 16 * 1024;

/// The key for the model's endpoint; "" when it goes without: no source is named, or the named variable is unset and
/// the endpoint is a loopback one. One trailing newline is cut off. A command has 10 seconds and may block this thread
/// as long. Throws Error (which never holds the key) when the variable is unset for an https endpoint, the file is
/// missing, readable for everybody or no plain file, the command fails, or the key holds anything but printable ASCII.
std::string read_model_key(const vmspec::ModelSpec& model);

}  // namespace agentvm::gateway
