// attach.cpp - agentvm attach: joins the agent's streams and leaves it working.
#include <signal.h>

#include <optional>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "launcher/client/client.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/terminal/signals.hpp"
#include "launcher/terminal/stdio_relay.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;

namespace {

class Attachment {
 public:
  Attachment(const state::VmPaths& paths, const vmspec::AgentSpec& agent)
      : client_(Client::connect(paths)),
        changed_(client_.executor()),
        relay_(client_.executor(), client_.tasks(), client_.session_ptr(),
               RelayOptions{.base = "/agent", .tty = agent.pty, .input = agent.pty, .detach_keys = true}),
        signals_(client_.executor()) {}
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;
  ~Attachment() { relay_.shut_down(); }

  /// The agent's exit code; nullopt when we left before.
  std::optional<int> run() {
    client_.spawn(signals_.run([this](int number) { on_signal(number); }));
    client_.run(follow());
    relay_.shut_down();
    return left_ || relay_.detached() ? std::nullopt : relay_.exit_code();
  }
  bool left() const { return left_ || relay_.detached(); }

 private:
  asio::awaitable<void> follow() {
    relay_.open_outputs();
    relay_.open_input();
    co_await relay_.send_size();
    client_.spawn(outputs());
    client_.spawn(lost());
    while (!done_ && !left_) co_await changed_.wait();
  }

  asio::awaitable<void> outputs() {
    co_await relay_.finished();
    done_ = true;
    changed_.notify();
  }

  asio::awaitable<void> lost() {
    co_await relay_.wait_output_lost();
    left_ = true;
    changed_.notify();
  }

  void on_signal(int number) {
    if (number == SIGWINCH) {
      client_.spawn(relay_.send_size());
      return;
    }
    left_ = true;
    changed_.notify();
  }

  Client client_;
  AsyncEvent changed_;
  StdioRelay relay_;
  SignalWatch signals_;
  bool done_ = false;
  bool left_ = false;
};

}  // namespace

int attach(const AttachOptions& options, const Context& context) {
  const state::VmPaths paths = named_or_implied_vm(context.roots, options.name);
  const auto spec = read_spec(paths);
  if (!spec)
    throw Error("the plan of the VM '" + paths.name + "' cannot be read",
                "Remove the VM: agentvm destroy " + paths.name);
  if (spec->agent.pty && !has_terminal()) {
    throw Error("'" + paths.name + "' runs in a terminal; attach from a terminal",
                "agentvm logs -f " + paths.name + " shows its output without one.", ExitCode::usage);
  }
  Attachment attachment(paths, spec->agent);
  const std::optional<int> code = attachment.run();
  if (code) return *code;
  if (attachment.left()) {
    print_error("\nagentvm: detached from '" + paths.name + "'; the agent keeps running (agentvm attach " + paths.name +
                " to return)\n");
    return 0;
  }
  throw Error("the VM '" + paths.name + "' ended while you were attached", "agentvm ls lists the VMs that are left.");
}

}  // namespace agentvm::commands
