// daemon.cpp - one thread, one io_context: both links, the children's ends, the signals, the power button.
#include "guest/daemon.hpp"

#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/link/link.hpp"
#include "guest/control.hpp"
#include "guest/power.hpp"
#include "guest/processes.hpp"
#include "guest/services.hpp"
#include "guest/setup.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

/// For what runs to end by itself.
constexpr std::chrono::seconds end_grace{1};
/// For the last answers to leave, once nothing runs any more.
constexpr std::chrono::milliseconds last_words{50};

class Daemon {
 public:
  explicit Daemon(DaemonOptions options)
      : options_(std::move(options)),
        child_ended_(executor()),
        signals_(context_, SIGTERM, SIGINT, SIGPWR),
        child_signals_(context_, SIGCHLD),
        processes_(std::make_shared<ProcessTable>(executor())) {}

  std::string run() {
    service_link_ = link::Session::create(executor(), std::move(options_.links.services), link::Role::client);
    services_ = std::make_shared<Services>(executor(), service_link_);
    services_->serve_socket(options_.services_socket);
    link::Limits limits;
    limits.max_streams = max_control_streams;
    control_link_ = link::Session::create(
        executor(), std::move(options_.links.control), link::Role::server, limits,
        control_handler(processes_, {.setup = [this](const GuestSetup& setup) { return set_up(setup); },
                                     .shutdown = [this] { end("the host asked for it"); }}));
    start(watch_children());
    start(watch_signals());
    start(serve_link(control_link_, "control"));
    start(serve_link(service_link_, "service"));
    start(report_ready());
    context_.run();
    return reason_;
  }

 private:
  asio::any_io_executor executor() { return context_.get_executor(); }
  void start(asio::awaitable<void> task) { asio::co_spawn(context_, std::move(task), asio::detached); }

  SetupReply set_up(const GuestSetup& setup) {
    if (!set_up_before_) {
      set_up_before_ = true;
      if (options_.drivers.valid()) options_.drivers.get();
      for (UniqueFd& device : open_input_devices()) start(watch_power_button(std::move(device)));
    }
    const SetupReply reply = apply_setup(setup);
    services_->allow(setup.services);
    if (setup.model_port != 0) services_->serve_model(setup.model_port);
    return reply;
  }

  asio::awaitable<void> serve_link(link::SessionPtr session, std::string name) {
    const std::string why = co_await session->run();
    end("the " + name + " link is closed" + (why.empty() ? "" : ": " + why));
  }

  asio::awaitable<void> report_ready() {
    utsname system{};
    uname(&system);
    options_.timings.kernel = system.release;
    options_.timings.ready_ms = uptime_ms();
    std::string failure;
    try {
      const link::Answer answer =
          co_await link::request(*service_link_, "POST", "/ready", to_json(options_.timings).dump());
      if (answer.status != 200) failure = "status " + std::to_string(answer.status) + ": " + answer.body;
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (!failure.empty()) end("the host did not take the ready report: " + failure);
  }

  asio::awaitable<void> watch_children() {
    for (;;) {
      co_await child_signals_.async_wait(asio::use_awaitable);
      processes_->reap(options_.init);
      child_ended_.notify();
    }
  }

  asio::awaitable<void> watch_signals() {
    const int number = co_await signals_.async_wait(asio::use_awaitable);
    end("signal " + std::to_string(number));
  }

  asio::awaitable<void> watch_power_button(UniqueFd device) {
    asio::posix::stream_descriptor input(executor(), device.release());
    do {
      co_await input.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    } while (!power_button_pressed(input.native_handle()));
    end("the power button was pressed");
  }

  void end(std::string reason) {
    if (ending_) return;
    ending_ = true;
    reason_ = std::move(reason);
    processes_->refuse_new();
    start(end_everything());
  }

  /// Nothing that could end is left. For PID 1 every process is a child sooner or later (and kill(2) of -1 would count
  /// the kernel's own threads).
  bool all_ended() const noexcept {
    siginfo_t info{};
    if (!options_.init) return processes_->running() == 0;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
  }

  asio::awaitable<void> wait_all_ended() {
    while (!all_ended()) co_await child_ended_.wait();
  }

  asio::awaitable<void> end_everything() {
    processes_->terminate_all();
    if (options_.init) ::kill(-1, SIGTERM);
    co_await (wait_all_ended() || sleep_for(end_grace));
    co_await sleep_for(last_words);
    context_.stop();
  }

  asio::io_context context_{1};
  DaemonOptions options_;
  AsyncEvent child_ended_;
  asio::signal_set signals_;
  asio::signal_set child_signals_;
  std::shared_ptr<ProcessTable> processes_;
  std::shared_ptr<Services> services_;
  link::SessionPtr control_link_;
  link::SessionPtr service_link_;
  bool set_up_before_ = false;
  bool ending_ = false;
  std::string reason_;
};

}  // namespace

std::string run_daemon(DaemonOptions options) {
  return Daemon(std::move(options)).run();
}

}  // namespace agentvm::guest
