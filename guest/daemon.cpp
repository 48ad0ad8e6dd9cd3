// daemon.cpp - one thread, one io_context: both links, the children's ends, the signals, the power button.
//
// serve_links() holds one pair of links after another. A pair ends as a whole: when either session is over, the other
// is closed too, and every stream of both breaks. What runs is not concerned by that; it waits in the process table.
#include "guest/daemon.hpp"

#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/error.hpp"
#include "base/link/link.hpp"
#include "guest/control.hpp"
#include "guest/host_link.hpp"
#include "guest/power.hpp"
#include "guest/processes.hpp"
#include "guest/service_manager.hpp"
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
        processes_(std::make_shared<ProcessTable>(executor())),
        services_(executor()),
        tasks_(executor(), [this](const std::exception_ptr& failure) { end(reason_of(failure)); }),
        sessions_(executor(), [this](const std::exception_ptr& failure) { end(reason_of(failure)); }) {}

  std::string run() {
    services_.serve_socket(options_.services_socket);
    tasks_.spawn(watch_children());
    tasks_.spawn(watch_signals());
    tasks_.spawn(serve_links());
    context_.run();
    return reason_;
  }

 private:
  asio::any_io_executor executor() { return context_.get_executor(); }

  static std::string reason_of(const std::exception_ptr& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  SetupReply set_up(const GuestSetup& setup) {
    if (!set_up_before_) {
      set_up_before_ = true;
      if (options_.drivers.valid()) options_.drivers.get();
      for (UniqueFd& device : open_input_devices()) tasks_.spawn(watch_power_button(std::move(device)));
    }
    const SetupReply reply = apply_setup(setup);
    services_.allow(setup.services);
    if (setup.model_port != 0) services_.serve_model(setup.model_port);
    notify_ready();
    return reply;
  }

  /// One pair of links: its sessions, and why the first of them ended.
  struct Pair {
    explicit Pair(const asio::any_io_executor& executor)
        : state(std::make_shared<HostLink>(executor)), ended(executor) {}
    void close() const noexcept {
      control->close();
      services->close();
    }

    std::shared_ptr<HostLink> state;
    link::SessionPtr control, services;
    AsyncEvent ended;
    std::string why;
  };

  asio::awaitable<void> serve_links() {
    Links links = std::move(options_.links);
    for (bool resumed = false;; resumed = true) {
      const auto pair = std::make_shared<Pair>(executor());
      auto served = serve(pair, std::move(links), resumed);
      co_await std::move(served);
      if (!options_.source) break_off(pair->why);
      auto next = options_.source->next();
      if (pair->state->dropping()) {
        links = co_await std::move(next);
        continue;
      }
      auto grace = sleep_for(options_.loss_grace);
      auto first = co_await (std::move(next) || std::move(grace));
      if (first.index() == 1) break_off(pair->why);
      links = std::move(std::get<0>(first));
    }
  }

  [[noreturn]] static void break_off(const std::string& why) { throw Error(why); }

  /// Until one of the links is over; then neither is open any more.
  asio::awaitable<void> serve(std::shared_ptr<Pair> pair, Links links, bool resumed) {
    link::Limits limits;
    limits.max_streams = max_control_streams;
    ControlActions actions;
    actions.setup = [this](const GuestSetup& setup) { return set_up(setup); };
    actions.shutdown = [this] { end("the host asked for it"); };
    if (options_.source) actions.drop = [weak = std::weak_ptr<Pair>(pair)] { close_pair(weak); };
    pair->control = link::Session::create(executor(), std::move(links.control), link::Role::server, limits,
                                          control_handler(processes_, std::move(actions), pair->state));
    pair->state->set(pair->control);
    pair->services = link::Session::create(executor(), std::move(links.services), link::Role::client);
    services_.set_link(pair->services);
    sessions_.spawn(run_session(pair, pair->control, "control"));
    sessions_.spawn(run_session(pair, pair->services, "service"));
    sessions_.spawn(report_ready(pair, resumed));
    while (pair->why.empty()) co_await pair->ended.wait();
    pair->close();
    co_await sessions_.finished();
  }

  static void close_pair(const std::weak_ptr<Pair>& weak) {
    if (const auto pair = weak.lock()) pair->close();
  }

  static asio::awaitable<void> run_session(std::shared_ptr<Pair> pair, link::SessionPtr session, std::string name) {
    auto run = session->run();
    const std::string why = co_await std::move(run);
    if (pair->why.empty()) pair->why = "the " + name + " link is closed" + (why.empty() ? "" : ": " + why);
    pair->ended.notify();
  }

  asio::awaitable<void> report_ready(std::shared_ptr<Pair> pair, bool resumed) {
    utsname system{};
    uname(&system);
    options_.timings.kernel = system.release;
    options_.timings.resumed = resumed;
    if (!resumed) options_.timings.ready_ms = uptime_ms();
    std::string failure;
    try {
      auto asked = link::request(*pair->services, "POST", "/ready", to_json(options_.timings).dump());
      const link::Answer answer = co_await std::move(asked);
      if (answer.status != 200) failure = "status " + std::to_string(answer.status) + ": " + answer.body;
    } catch (const std::exception&) {
      co_return;  // the link broke, which serve() sees
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
    tasks_.spawn(end_everything());
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
  Services services_;
  TaskGroup tasks_;
  TaskGroup sessions_;  ///< of the present pair of links
  bool set_up_before_ = false;
  bool ending_ = false;
  std::string reason_;
};

}  // namespace

std::string run_daemon(DaemonOptions options) {
  return Daemon(std::move(options)).run();
}

}  // namespace agentvm::guest
