// start_gate.hpp - holds what bubblewrap starts back until its network namespace has a way out, and makes the way.
//
// A sandbox has a network namespace of its own with nothing but a loopback device: neither the host's network nor its
// abstract unix sockets are there. A listening socket that is made *in* that namespace by the host and kept outside is
// the only way out, and whoever accepts on it decides (host_proxy.hpp).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace agentvm::sandbox {

/// Where what runs in a sandbox finds the way out: 127.0.0.1 and this TCP port.
inline constexpr unsigned short way_out_port = 3128;

class StartGate {
 public:
  /// Throws Error when pipes cannot be made.
  StartGate();

  /// Options for bwrap(1) 0.4 and newer, and the descriptors it needs under their own numbers.
  std::vector<std::string> arguments() const;
  std::vector<int> inherited() const { return {said_by_sandbox_.get(), waited_by_sandbox_.get()}; }
  /// After the spawn: gives up the sandbox's ends.
  void started() noexcept;

  /// A socket that listens inside, on way_out_port. Throws Error when the namespaces are not there within `limit`.
  UniqueFd listen_inside(std::chrono::milliseconds limit);
  /// Lets the program begin. Destroying the gate does as well.
  void open() noexcept { held_.reset(); }

 private:
  UniqueFd said_, said_by_sandbox_;    // bubblewrap says which process it made
  UniqueFd held_, waited_by_sandbox_;  // and waits until this is closed
};

}  // namespace agentvm::sandbox
