// keeper_main.cpp - agentvm-keeper NAME PROFILE: boots one VM of a pool and keeps it; started by agentvm-poold, with
// the connection between them as descriptor 3.
#include <fcntl.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/main_task.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/startable.hpp"
#include "base/unix_socket.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/machine/host_parts.hpp"
#include "launcher/machine/reaper.hpp"
#include "launcher/pool/keeper.hpp"
#include "launcher/run/pooled_plan.hpp"
#include "launcher/state/guest_places.hpp"
#include "launcher/state/reservation.hpp"

namespace {

using namespace agentvm;

constexpr int poold_fd = 3;

UniqueFd inherited(int fd) {
  if (fcntl(fd, F_GETFD) < 0) return UniqueFd();
  set_cloexec(fd, true);
  return UniqueFd(fd);
}

int keep(state::Reservation reservation, const commands::PooledPlan& plan, const state::Roots& roots, UniqueFd& poold) {
  const state::VmPaths& paths = reservation.paths;
  write_file_atomic(paths.spec(), vmspec::to_json(plan.spec).dump(2) + "\n");
  boost::asio::io_context io(1);
  SteadyClock clock;
  state::Record record(paths, plan.spec.name, plan.spec.uuid);
  record.add("supervisor", getpid());  // by which `agentvm destroy` finds it
  machine::Reaper reaper(host::own_program("agentvm-reaper"), host::own_program("agentvm"), plan.spec.name);
  machine::HostParts parts(io.get_executor(), plan.spec, paths, plan.directories, roots.cache,
                           [&](const std::string& role, pid_t pid) {
                             reaper.watch(pid);
                             record.add(role, pid);
                           });
  pool::Keeper keeper(io.get_executor(), plan.spec, paths, record, parts, clock, std::move(poold),
                      listen_unix(paths.keeper_socket()), reaper.pidfd());
  const int code = run_to_end(io, keeper.live());
  for (const std::string& directory : {paths.runtime_dir, paths.state_dir}) {
    const std::string failure = remove_tree(directory);
    if (!failure.empty()) spdlog::error("removing {}: {}", directory, failure);
  }
  reaper.dismiss();
  return code;
}

int run(const std::string& name, const std::string& profile, UniqueFd& poold) {
  const state::Roots roots = state::user_roots();
  never_start_from(state::guest_places(roots));
  const commands::PooledPlan plan = commands::plan_pooled(name, profile, roots);
  state::check_socket_paths(state::vm_paths(roots, name));
  std::optional<state::Reservation> reservation = state::reserve(roots, name);
  if (!reservation) throw Error("there is a VM named '" + name + "'");
  const state::VmPaths paths = reservation->paths;
  try {
    return keep(std::move(*reservation), plan, roots, poold);
  } catch (...) {
    remove_tree(paths.runtime_dir);
    remove_tree(paths.state_dir);
    throw;
  }
}

void tell(UniqueFd poold, const std::string& sentence) noexcept {
  try {
    pool::LineSocket(std::move(poold)).write("failed", {{"sentence", sentence}});
  } catch (const std::exception& error) {
    spdlog::warn("{}", error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  spdlog::set_default_logger(spdlog::stderr_logger_st("keeper"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  if (argc != 3) {
    std::fputs("agentvm-keeper is started by agentvm-poold\n", stderr);
    return static_cast<int>(ExitCode::usage);
  }
  UniqueFd poold = inherited(poold_fd);
  try {
    const int code = run(argv[1], argv[2], poold);
    spdlog::shutdown();
    return code;
  } catch (const Error& error) {
    spdlog::critical("{}: {}{}{}", argv[1], error.what(), error.hint().empty() ? "" : " ", error.hint());
    // Before there was a Keeper that could say it: more than that the process is gone.
    if (poold) tell(std::move(poold), error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    spdlog::critical("{}: {}", argv[1], error.what());
    return static_cast<int>(ExitCode::agentvm_failed);
  }
}
