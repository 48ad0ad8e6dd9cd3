// libvirt_session.hpp - libvirt as C++ holds it: quiet errors, owned handles, its event loop on a thread of its own.
#pragma once

#include <libvirt/libvirt.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace agentvm::hypervisor {

struct CloseConnection {
  void operator()(virConnectPtr connection) const noexcept { virConnectClose(connection); }
};
struct FreeDomain {
  void operator()(virDomainPtr domain) const noexcept { virDomainFree(domain); }
};
using Connection = std::unique_ptr<virConnect, CloseConnection>;
using Domain = std::unique_ptr<virDomain, FreeDomain>;

/// libvirt's last error of this thread as ours: "WHAT_FAILED: first line of its message", without its noise.
Error libvirt_error(std::string_view what_failed, std::string hint = {});

/// Runs libvirt's default event loop as long as somebody holds it. The first holder initialises libvirt, with its log
/// going to `log` (once in a process) and nothing printed. Throws Error when libvirt cannot be initialised.
class EventLoop {
 public:
  static std::shared_ptr<EventLoop> hold(const std::string& log);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

 private:
  EventLoop();
  struct Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace agentvm::hypervisor
