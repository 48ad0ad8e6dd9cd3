// libvirt_session.cpp - the process-wide part of libvirt.
#include "launcher/hypervisor/libvirt_session.hpp"

#include <libvirt/virterror.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "launcher/hypervisor/libvirt_message.hpp"

namespace agentvm::hypervisor {

namespace {

extern "C" void ignore_error(void* /*data*/, virErrorPtr /*error*/) {}
extern "C" void ignore_timer(int /*timer*/, void* /*data*/) {}

void initialise_once(const std::string& log) {
  // libvirt reads its log settings from the environment, in virInitialize. The embedded driver would write to our
  // stderr otherwise; 3 is "warnings and errors" (https://libvirt.org/logging.html).
  static std::once_flag once;
  static bool failed = false;
  std::call_once(once, [&log] {
    setenv("LIBVIRT_LOG_OUTPUTS", ("3:file:" + log).c_str(), 0);
    virSetErrorFunc(nullptr, ignore_error);
    failed = virInitialize() < 0 || virEventRegisterDefaultImpl() < 0;
  });
  if (failed) throw libvirt_error("initialising libvirt");
}

}  // namespace

Error libvirt_error(std::string_view what_failed, std::string hint) {
  const virErrorPtr last = virGetLastError();
  const char* message = last != nullptr && last->message != nullptr ? last->message : "libvirt gives no reason";
  return Error(std::string(what_failed) + ": " + tidy_message(message), std::move(hint));
}

struct EventLoop::Thread {
  std::atomic<bool> stop{false};
  std::thread thread;
};

EventLoop::EventLoop() : thread_(std::make_unique<Thread>()) {
  Thread* state = thread_.get();
  thread_->thread = std::thread([state] {
    while (!state->stop.load()) virEventRunDefaultImpl();
  });
}

EventLoop::~EventLoop() {
  thread_->stop.store(true);
  const int wake = virEventAddTimeout(0, ignore_timer, nullptr, nullptr);
  thread_->thread.join();
  if (wake >= 0) virEventRemoveTimeout(wake);
}

std::shared_ptr<EventLoop> EventLoop::hold(const std::string& log) {
  initialise_once(log);
  static std::mutex mutex;
  static std::weak_ptr<EventLoop> running;
  const std::lock_guard lock(mutex);
  auto loop = running.lock();
  if (!loop) {
    loop.reset(new EventLoop());
    running = loop;
  }
  return loop;
}

}  // namespace agentvm::hypervisor
