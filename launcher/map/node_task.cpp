// node_task.cpp - what an element of a Slurm job does.
#include "launcher/map/node_task.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/startable.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/map/local_map.hpp"
#include "launcher/map/prepared_task.hpp"
#include "launcher/map/shared_results.hpp"
#include "launcher/terminal/log.hpp"

namespace agentvm::batch {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// A node's name in Slurm need not be its host name.
std::string node_name() {
  const std::string node = variable("SLURMD_NODENAME");
  return node.empty() ? host_name() : node;
}

std::string job_name() {
  const std::string job = variable("SLURM_ARRAY_JOB_ID");
  return job.empty() ? "" : job + "_" + variable("SLURM_ARRAY_TASK_ID");
}

/// The file with the one task's line; the others are other nodes' business, and not checked here again and again.
TasksSource only_line(TasksSource source, unsigned line) {
  std::string text;
  std::size_t start = 0;
  for (unsigned number = 1; number < line && start != std::string::npos; ++number) {
    text += '\n';  // lines keep their numbers
    start = source.text.find('\n', start);
    if (start != std::string::npos) ++start;
  }
  if (start == std::string::npos || start >= source.text.size()) {
    throw Error(fmt::format("{} has no line {}", source.path, line), {}, ExitCode::usage);
  }
  text += source.text.substr(start, source.text.find('\n', start) - start);
  source.text = std::move(text);
  return source;
}

}  // namespace

int run_node_task(const NodeTaskOptions& options, const commands::Context& context) {
  const SharedResults shared = SharedResults::open(options.results, true);
  LocalMapOptions local;
  if (!options.logs.empty()) {
    make_directories(options.logs);
    local.logs = HeldDirectory::resolve(options.logs);
  }
  const TasksSource source = only_line(read_tasks_file(options.tasks), options.line);
  std::vector<KeptPlace> kept;
  kept.push_back({"the results", "--results", WorkspaceId(HeldDirectory::resolve(shared.path()))});
  const std::vector<PreparedTask> tasks = prepare_tasks(source, kept, options.common, context);
  const std::string& id = tasks.front().task.id;
  auto claim = shared.try_claim(id);
  if (!claim) {
    commands::log_warning("another node works on the task " + id + "; waiting until it has ended");
    claim = shared.claim(id);
  }
  if (const auto before = shared.find(id)) return before->exit_code;

  never_start_from({tasks.front().task.workspace});
  local.schedule = options.retry;
  local.schedule.jobs = 1;
  local.program = host::own_program("agentvm");
  int exit_code = static_cast<int>(ExitCode::agentvm_failed);
  ScheduleEvents events;
  events.ended = [&](const TaskResult& result) {
    TaskResult here = result;
    here.host = node_name();
    here.job = job_name();
    if (!shared.publish(here)) commands::log_warning("the task " + id + " has a result already, which stays");
    exit_code = here.exit_code;
  };
  const int signal = map_here(tasks, std::move(local), std::move(events));
  return signal != 0 ? 128 + signal : exit_code;
}

}  // namespace agentvm::batch
