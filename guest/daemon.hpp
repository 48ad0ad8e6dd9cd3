// daemon.hpp - serves the two links until the VM is to end.
#pragma once

#include <future>
#include <string>

#include "base/wire/guest.hpp"
#include "guest/transport.hpp"

namespace agentvm::guest {

struct DaemonOptions {
  Links links;
  ReadyReport timings;  ///< what is known of the boot so far
  bool init = false;    ///< PID 1: reaps everybody's children, and ends everybody
  std::string services_socket = guest::services_socket;
  /// The loading of what the first setup needs (virtiofs); waited for then. Not valid: there is nothing to wait for.
  std::future<void> drivers = {};
};

/// Answers the control link, reports ready, offers the services. Returns why it ended: the host asked, a signal, the
/// power button, or a lost link. By then what runs has been told to end and has had a second for it.
std::string run_daemon(DaemonOptions options);

}  // namespace agentvm::guest
