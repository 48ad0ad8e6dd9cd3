// main.cpp - agentvm-supervisor STATE_DIR: started by `agentvm run`, with the caller's connection, the
// VM's lock and the directories of the plan as descriptors 3, 4, 5... (base/wire/supervisor.hpp).
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/held_directory.hpp"
#include "base/startable.hpp"
#include "base/unix_socket.hpp"
#include "base/wire/supervisor.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/state/guest_places.hpp"
#include "launcher/supervisor/supervisor.hpp"

namespace {

using namespace agentvm;

/// A descriptor we were started with, or none.
UniqueFd inherited(int fd) {
  if (fcntl(fd, F_GETFD) < 0) return UniqueFd();
  set_cloexec(fd, true);
  return UniqueFd(fd);
}

int run(const std::string& state_dir) {
  const std::string text = read_file(state_dir + "/spec.json", vmspec::max_spec_text);
  supervisor::SupervisorOptions options{
      .spec = vmspec::parse_vm_spec(text),
      .roots = state::user_roots(),
      .paths = {},
      .lock = FileLock::adopt(inherited(supervisor::lock_fd)),
      .owner = inherited(supervisor::owner_fd),
      .directories = {},
      .report_directory = {},
      .claimed = {},
      .agentvm = host::own_program("agentvm"),
      .reaper = host::own_program("agentvm-reaper"),
  };
  int next = supervisor::first_directory_fd;
  for (std::size_t share = 0; share < options.spec.shares.size(); ++share) {
    options.directories.push_back(HeldDirectory::adopt(inherited(next++)));
  }
  if (!options.spec.report_file.empty()) options.report_directory = HeldDirectory::adopt(inherited(next++));
  if (options.spec.pooled) {
    auto& vm = options.claimed.emplace();
    for (UniqueFd* fd : {&vm.connection, &vm.control, &vm.services}) *fd = inherited(next++);
    const std::size_t missing = options.spec.shares.size() - options.spec.pooled->shares.size();
    for (std::size_t share = 0; share < missing; ++share) vm.listeners.push_back(inherited(next++));
    vm.shared = options.spec.pooled->shared_links;
  }
  never_start_from(state::guest_places(options.roots));
  options.paths = state::vm_paths(options.roots, options.spec.name);
  if (options.paths.state_dir != state_dir) {
    throw Error(
        fmt::format("{} is not where the VM {} belongs ({})", state_dir, options.spec.name, options.paths.state_dir));
  }
  return supervisor::supervise(std::move(options));
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  spdlog::set_default_logger(spdlog::stderr_logger_st("supervisor"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  if (argc != 2) {
    std::fputs("agentvm-supervisor is started by `agentvm run`\n", stderr);
    return static_cast<int>(agentvm::ExitCode::usage);
  }
  try {
    const int code = run(argv[1]);
    spdlog::shutdown();
    return code;
  } catch (const agentvm::Error& error) {
    spdlog::critical("{}{}{}", error.what(), error.hint().empty() ? "" : " ", error.hint());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    spdlog::critical("{}", error.what());
    return static_cast<int>(agentvm::ExitCode::agentvm_failed);
  }
}
