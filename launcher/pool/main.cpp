// main.cpp - agentvm-poold: keeps the pools of this user, or of this machine.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstdio>

#include "base/async/main_task.hpp"
#include "base/async/race.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "launcher/claim/claim.hpp"
#include "launcher/pool/host_keepers.hpp"
#include "launcher/pool/server.hpp"

namespace {

using namespace agentvm;
namespace asio = boost::asio;

struct Options {
  std::string config;
  std::string socket;
  std::string group;
  std::string metrics;
  bool cgroup = false;
  bool release_cgroup = false;
};

/// Ours alone: a second poold of one user is refused.
FileLock only_one(const std::string& directory) {
  const std::string path = directory + "/pool.lock";
  auto lock = FileLock::try_acquire(path);
  if (!lock) throw Error("another agentvm-poold is running (" + path + " is locked)", {}, ExitCode::cannot_start);
  return *std::move(lock);
}

UniqueFd listen_at(const std::string& path, const std::string& group) {
  if (unlink(path.c_str()) < 0 && errno != ENOENT) throw system_error(errno, "replacing the socket " + path);
  UniqueFd socket = listen_unix(path, 128);
  if (group.empty()) return socket;
  const struct group* const entry = getgrnam(group.c_str());
  if (entry == nullptr) throw Error("there is no group " + group, {}, ExitCode::usage);
  if (chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) < 0 || chmod(path.c_str(), 0660) < 0)
    throw system_error(errno, "giving " + path + " to the group " + group);
  return socket;
}

/// Keepers that have ended are nobody's to wait for.
void reap_children() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  action.sa_flags = SA_NOCLDWAIT;
  sigaction(SIGCHLD, &action, nullptr);
}

asio::awaitable<int> live(pool::Server& server) {
  auto until_signal = []() -> asio::awaitable<void> {
    asio::signal_set signals(co_await asio::this_coro::executor, SIGTERM, SIGINT);
    co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
  };
  auto ending = until_signal();
  auto serving = server.serve();
  auto first = race(std::move(serving), std::move(ending));
  co_await std::move(first);
  co_return 0;
}

int run(const Options& options) {
  if (options.config.empty()) throw Error("--config FILE is missing", {}, ExitCode::usage);
  std::vector<vmspec::Problem> problems;
  const state::Roots roots = state::user_roots();
  pool::Config config = pool::parse_config(read_file(options.config, pool::max_config), options.config, problems);
  if (!problems.empty()) throw vmspec::problems_error(problems);
  if (config.pools.empty())
    throw Error(options.config + " names no pool", "Add one: [pools.rust] with profile = \"rust\" and size = 2.",
                ExitCode::usage);
  for (const pool::PoolConfig& each : config.pools) {
    if (!options.cgroup && each.limits != pool::VmLimits{})
      throw Error(options.config + " limits what a VM of the pool " + each.name + " may take, which takes --cgroup", {},
                  ExitCode::usage);
  }
  make_directories(roots.runtime, 0700);
  make_directories(roots.state, 0700);
  const FileLock lock = only_one(roots.state);
  const std::string socket = options.socket.empty() ? pool::own_socket(roots) : options.socket;
  asio::io_context io(1);
  SteadyClock clock;
  pool::HostKeepers keepers(roots, options.cgroup ? std::optional(pool::CgroupTree::of_own()) : std::nullopt);
  pool::Server server(io.get_executor(),
                      {.config = std::move(config),
                       .listener = listen_at(socket, options.group),
                       .metrics_file = options.metrics,
                       .own_uid = geteuid()},
                      keepers, clock);
  const int code = run_to_end(io, live(server));
  unlink(socket.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  reap_children();
  spdlog::set_default_logger(spdlog::stderr_logger_st("poold"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  Options options;
  CLI::App app("Keeps pools of VMs that `agentvm run --pool` takes one from");
  app.add_option("--config", options.config, "which pools, as TOML")->type_name("FILE");
  app.add_option("--socket", options.socket, "where callers come (default: pool.sock in the runtime directory)")
      ->type_name("PATH");
  app.add_option("--group", options.group, "whose members may come, besides the own user")->type_name("GROUP");
  app.add_option("--metrics", options.metrics, "keep a file of figures as OpenMetrics text")->type_name("FILE");
  app.add_flag("--cgroup", options.cgroup, "make a cgroup for each VM below the own one, which is delegated to us");
  auto* const release =
      app.add_flag("--release-cgroup", options.release_cgroup, "make that one usable for a next start, and end");
  app.get_option("--config")->excludes(release);
  CLI11_PARSE(app, argc, argv);
  try {
    if (options.release_cgroup) {
      pool::CgroupTree::release_own();
      return 0;
    }
    return run(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "agentvm-poold: %s\n", error.what());
    if (!error.hint().empty()) std::fprintf(stderr, "  %s\n", error.hint().c_str());
    return static_cast<int>(error.code());
  }
}
