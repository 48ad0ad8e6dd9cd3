// libvirt_session.cpp - the process-wide part of libvirt.
#include "launcher/hypervisor/libvirt_session.hpp"

#include <libvirt/virterror.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <regex>
#include <thread>

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

std::string tidy_message(std::string_view message) {
  // "internal error: qemu unexpectedly closed the monitor: 2026-01-01T00:00:00.000000Z qemu-system-x86_64: REASON"
  static const std::regex noise(R"((internal error: )|(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+(Z|\+\d{4}): ?)|)"
                                R"((\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+Z ))");
  std::string text(message.substr(0, 4096));
  // A line break after a colon is QEMU's output quoted; what follows the first full line is repetition.
  std::size_t line = 0;
  while ((line = text.find('\n', line)) != std::string::npos) {
    const bool quoted = text.find_last_not_of(" \n") != std::string::npos && line > 0 &&
                        text[text.find_last_not_of(' ', line - 1)] == ':';
    if (!quoted) {
      text.resize(line);
      break;
    }
    text[line] = ' ';
  }
  text = std::regex_replace(text, noise, "");
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
  return text;
}

Error libvirt_error(std::string_view what_failed, std::string hint) {
  const virErrorPtr last = virGetLastError();
  const char* message = last != nullptr && last->message != nullptr ? last->message : "libvirt gives no reason";
  return Error(std::string(what_failed) + ": " + tidy_message(message), std::move(hint));
}

int libvirt_error_code() noexcept {
  const virErrorPtr last = virGetLastError();
  return last != nullptr ? last->code : VIR_ERR_OK;
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
