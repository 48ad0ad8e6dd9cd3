// daemon.hpp - serves the links, one pair after another, until the VM is to end.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "base/wire/guest.hpp"
#include "guest/transport.hpp"

namespace agentvm::guest {

struct DaemonOptions {
  Links links;
  /// The links after these. None: the daemon ends with its links.
  std::unique_ptr<LinkSource> source = {};
  ReadyReport timings;  ///< what is known of the boot so far
  /// How long to live on after a loss of the links that the host had not announced.
  std::chrono::milliseconds loss_grace = std::chrono::seconds(5);
  bool init = false;  ///< PID 1: reaps everybody's children, and ends everybody
  std::string services_socket = guest::services_socket;
  /// The loading of what the first setup needs (virtiofs); waited for then. Not valid: there is nothing to wait for.
  std::future<void> drivers = {};
};

/// Answers the control link, reports ready, offers the services; again on the next links when the host drops these.
/// Returns why it ended: the host asked, a signal, the power button, or lost links. By then what runs has been told to
/// end and has had a second for it.
std::string run_daemon(DaemonOptions options);

}  // namespace agentvm::guest
