// main.cpp - agentvm-guest: PID 1 of a guest, its daemon under another init, or the bridge of one of its programs.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/wire/guest.hpp"
#include "guest/boot.hpp"
#include "guest/bridge.hpp"
#include "guest/daemon.hpp"
#include "guest/modules.hpp"
#include "guest/power.hpp"
#include "guest/root_fs.hpp"
#include "guest/setup.hpp"
#include "guest/transport.hpp"
#include "guest/uevents.hpp"

namespace agentvm::guest {

namespace {

/// An emulated machine on a busy host takes its time.
constexpr std::chrono::seconds links_deadline{30};
constexpr char new_root[] = "/newroot";
constexpr char module_list[] = "/modules.list";

/// Loads the drivers beside everything else, for they take longer than all of it; complaints go to the console.
std::future<void> load_drivers() {
  return std::async(std::launch::async, [modules = open_modules(module_list)]() mutable {
    for (const std::string& failure : load_modules(std::move(modules))) say(failure);
  });
}

/// The life of a VM, in order.
void live(std::int64_t started_ms) {
  mount_kernel_filesystems();
  open_stdio();
  const BootOptions options = parse_boot_options(read_file("/proc/cmdline"));
  const UeventSocket events;
  std::future<void> drivers = load_drivers();
  build_root(new_root, options.disk_bytes);
  switch_root(new_root);
  configure_kernel();
  auto source = link_source(options.transport, events, links_deadline);
  Links links = first_links(*source, links_deadline);
  const std::int64_t links_open_ms = uptime_ms();
  const std::string why = run_daemon({.links = std::move(links),
                                      .source = std::move(source),
                                      .timings = {.init_started_ms = started_ms, .links_open_ms = links_open_ms},
                                      .init = true,
                                      .drivers = std::move(drivers)});
  say("powering off: " + why);
}

[[noreturn]] void run_as_init() {
  const std::int64_t started_ms = uptime_ms();
  signal(SIGPIPE, SIG_IGN);
  try {
    live(started_ms);
  } catch (const std::exception& error) {
    say(error.what());
  }
  power_off();
}

/// The daemon alone, in a guest that has an init, mounts and modules of its own. Without an argument the transport is
/// the kernel command line's.
int serve(const std::vector<std::string_view>& args) {
  const std::int64_t started_ms = uptime_ms();
  signal(SIGPIPE, SIG_IGN);
  const auto transport = args.empty() ? std::optional(parse_boot_options(read_file("/proc/cmdline")).transport)
                                      : parse_transport(args.front());
  if (!transport || args.size() > 1) throw Error("serve takes virtio-serial or vsock", {}, ExitCode::usage);
  make_directories("/run/agentvm", 0755);
  const UeventSocket events;
  auto source = link_source(*transport, events, links_deadline);
  Links links = first_links(*source, links_deadline);
  const std::int64_t links_open_ms = uptime_ms();
  say(run_daemon({.links = std::move(links),
                  .source = std::move(source),
                  .timings = {.init_started_ms = started_ms, .links_open_ms = links_open_ms}}));
  return 0;
}

int run(const std::vector<std::string_view>& args) {
  const std::string_view verb = args.empty() ? "" : args.front();
  if (verb == "bridge" && args.size() == 2) return run_bridge(std::string(args[1]), services_socket);
  if (verb == "serve") return serve({args.begin() + 1, args.end()});
  if (verb == "--version" && args.size() == 1) {
    write_all(STDOUT_FILENO, "agentvm-guest " AGENTVM_VERSION "\n");
    return 0;
  }
  throw Error("usage: agentvm-guest bridge NAME | serve [virtio-serial|vsock] | --version", {}, ExitCode::usage);
}

}  // namespace

}  // namespace agentvm::guest

int main(int argc, char** argv) {
  using namespace agentvm;
  if (getpid() == 1) guest::run_as_init();
  int code = static_cast<int>(ExitCode::agentvm_failed);
  try {
    code = guest::run({argv + 1, argv + argc});
  } catch (const Error& error) {
    guest::say(error.what());
    code = static_cast<int>(error.code());
  } catch (const std::exception& error) {
    guest::say(error.what());
  }
  // Not exit(): the bridge's other thread may be in the middle of a read.
  _exit(code);
}
