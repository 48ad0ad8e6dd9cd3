// host_proxy.hpp - the way out of one sandbox: an HTTP proxy on the host that reaches the hosts it was told, no other.
//
// It takes CONNECT, so TLS stays between the sandbox and the server, and plain http requests, one a connection. Names
// are resolved here. Where the caller has a proxy of its own, connections go through it, and its password stays here.
// A thread of its own does the work: a sandbox is used by programs with an event loop and by programs without.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "launcher/sandbox/proxy_rules.hpp"
#include "launcher/sandbox/start_gate.hpp"

namespace agentvm::sandbox {

struct HostProxyOptions {
  std::vector<std::string> hosts;            ///< as reach_of takes them
  std::optional<host::OwnProxy> proxy = {};  ///< of the caller
  UniqueFd words = {};                       ///< a line for what is refused or fails, "agentvm: ..."; invalid: none
};

class HostProxy {
 public:
  /// Takes the gate of a sandbox that was just started, listens inside, opens the gate and serves, all on the thread. A
  /// sandbox without a way out is told to `words` and runs without. Throws Error when no thread can be had.
  HostProxy(StartGate gate, HostProxyOptions options);
  /// Ends every connection. A name that is being resolved is not waited for.
  ~HostProxy();
  HostProxy(const HostProxy&) = delete;
  HostProxy& operator=(const HostProxy&) = delete;

 private:
  struct Service;
  std::shared_ptr<Service> service_;
};

/// Variables by which programs of a sandbox find the proxy.
std::vector<std::pair<std::string, std::string>> way_out_variables();

}  // namespace agentvm::sandbox
