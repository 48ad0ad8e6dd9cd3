// map.cpp - agentvm map: check every task, run what has no result yet, keep the results.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/startable.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/map/capacity.hpp"
#include "launcher/map/local_map.hpp"
#include "launcher/map/map_progress.hpp"
#include "launcher/map/node_task.hpp"
#include "launcher/map/prepared_task.hpp"
#include "launcher/map/results_file.hpp"
#include "launcher/map/slurm_map.hpp"
#include "launcher/run/start.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

namespace {

using batch::PreparedTask;

/// Where a file is to lie: its directory, held, and its name there.
struct Place {
  HeldDirectory directory;
  std::string name;
};

Place place_of(const std::string& path, const std::string& what) {
  const auto slash = path.rfind('/');
  Place place;
  place.name = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  if (place.name.empty() || place.name == "." || place.name == "..") {
    throw Error(what + " cannot be written to " + path + ": that is a directory", "Name a file.", ExitCode::usage);
  }
  try {
    place.directory = HeldDirectory::resolve(directory);
  } catch (const Error& error) {
    throw Error(what + " cannot be written to " + path + ": " + error.what(), error.hint(), ExitCode::usage);
  }
  return place;
}

std::string default_results(const std::string& tasks) {
  constexpr std::string_view ending = ".jsonl";
  const bool ends = tasks.ends_with(ending) && tasks.size() > ending.size();
  return (ends ? tasks.substr(0, tasks.size() - ending.size()) : tasks) + ".results.jsonl";
}

/// SIGINT, SIGTERM and SIGHUP as values, while it lives.
class SignalWait {
 public:
  SignalWait() {
    sigemptyset(&set_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  SignalWait(const SignalWait&) = delete;
  SignalWait& operator=(const SignalWait&) = delete;
  ~SignalWait() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  /// The first that comes within the time; 0: none.
  int wait(std::chrono::milliseconds time) const {
    const timespec limit{static_cast<std::time_t>(time.count() / 1000),
                         static_cast<long>(time.count() % 1000) * 1'000'000};
    const int number = sigtimedwait(&set_, nullptr, &limit);
    return number < 0 ? 0 : number;
  }

 private:
  sigset_t set_{};
  sigset_t before_{};
};

class Map {
 public:
  Map(const MapOptions& options, const Context& context)
      : options_(options),
        source_(batch::read_tasks_file(options.tasks)),
        results_place_(place_of(options.results.empty() ? default_results(source_.path) : options.results, "results")),
        logs_(logs_directory()),
        tasks_(batch::prepare_tasks(source_, kept(), options.run, context)),
        results_(results_place_.directory, results_place_.name, options.resume) {
    refuse_leftovers();
    std::vector<batch::Task> all;
    for (const PreparedTask& task : tasks_) all.push_back(task.task);
    batch::check_same_tasks(results_, all);
    if (results_.repaired() > 0) {
      log_warning(
          fmt::format("the last line of {} was half written; its {} bytes were taken away, and the task is done "
                      "again",
                      results_.path(), results_.repaired()));
    }
    sweep_dead(context.roots);
  }

  int run() {
    const auto begun = std::chrono::steady_clock::now();
    const std::vector<PreparedTask> left = without_results();
    const std::size_t done = tasks_.size() - left.size();
    batch::MapProgress progress(tasks_.size(), done, failed_before());
    int signal = 0;
    if (!left.empty()) signal = options_.slurm ? run_in_slurm(left, progress) : run_here(left, progress);
    progress.clear();
    const auto took = std::chrono::steady_clock::now() - begun;
    say(progress.summary(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
    say("results: " + results_.path());
    if (signal != 0) {
      say("interrupted; agentvm map --resume does the rest");
      return 128 + signal;
    }
    return progress.all_good() ? 0 : 1;
  }

 private:
  static void say(const std::string& text) { print_error("agentvm: " + text + "\n"); }

  std::string shared_path() const { return results_.path() + ".slurm"; }

  /// A job may still run there, and what it has done is not in the results yet.
  void refuse_leftovers() const {
    if ((options_.slurm && options_.resume) || access(shared_path().c_str(), F_OK) != 0) return;
    throw Error(shared_path() + " was left by an agentvm map --slurm, which may have results and a job in Slurm",
                "--resume --slurm goes on with it; to forget it, cancel its job and remove the directory.",
                ExitCode::usage);
  }

  HeldDirectory logs_directory() const {
    if (options_.logs.empty()) return {};
    make_directories(options_.logs);
    return HeldDirectory::resolve(options_.logs);
  }

  std::vector<batch::KeptPlace> kept() const {
    std::vector<batch::KeptPlace> places;
    places.push_back({"the results", "--results FILE", batch::WorkspaceId(results_place_.directory)});
    if (logs_) places.push_back({"the logs", "--logs DIR", batch::WorkspaceId(logs_)});
    return places;
  }

  std::vector<PreparedTask> without_results() const {
    std::vector<PreparedTask> left;
    for (const PreparedTask& task : tasks_) {
      if (!results_.done().contains(task.task.id)) left.push_back(task);
    }
    return left;
  }

  std::size_t failed_before() const {
    return static_cast<std::size_t>(std::count_if(tasks_.begin(), tasks_.end(), [&](const PreparedTask& task) {
      const auto found = results_.done().find(task.task.id);
      return found != results_.done().end() && found->second.exit_code != 0;
    }));
  }

  void keep(const batch::TaskResult& result, batch::MapProgress& progress) {
    results_.append(result);
    if (options_.json) print(batch::to_line(result));
    progress.ended(result);
  }

  void announce(const std::vector<PreparedTask>& left, const std::string& how) const {
    const std::size_t done = tasks_.size() - left.size();
    say(fmt::format("{} task{}{}; {}", left.size(), left.size() == 1 ? "" : "s",
                    done == 0 ? "" : fmt::format(" ({} more have results already)", done), how));
  }

  int run_here(const std::vector<PreparedTask>& left, batch::MapProgress& progress) {
    // A guest of the first tasks could have left a program there by the time the last one starts.
    std::set<std::string> workspaces;
    for (const PreparedTask& task : left) workspaces.insert(task.task.workspace);
    never_start_from({workspaces.begin(), workspaces.end()});
    const batch::JobCount room = batch::default_jobs(left, batch::capacity_here());
    const unsigned jobs = options_.jobs.value_or(room.jobs);
    announce(left, options_.jobs ? fmt::format("{} at a time", jobs)
                                 : fmt::format("{} at a time ({}; --jobs N is your own number)", jobs, room.reason));
    if (const std::size_t waiting = batch::taking_turns(left); waiting > 0) {
      say(fmt::format("{} of them may write the files of another and wait{} for it", waiting, waiting == 1 ? "s" : ""));
    }
    const std::string host = batch::host_name();
    batch::ScheduleEvents events;
    events.started = [&](const batch::Task& task, unsigned attempt) { progress.started(task.id, attempt); };
    events.ended = [&](const batch::TaskResult& result) {
      batch::TaskResult here = result;
      here.host = host;
      keep(here, progress);
    };
    batch::LocalMapOptions local;
    local.schedule = {.jobs = jobs, .retries = options_.retries, .retry_failed = options_.retry_failed};
    local.program = host::own_program("agentvm");
    local.logs = logs_;
    return batch::map_here(left, std::move(local), std::move(events));
  }

  /// Two nodes do not know of each other's VMs, so nothing could take turns.
  static void refuse_shared_files(const std::vector<PreparedTask>& tasks) {
    for (std::size_t at = 1; at < tasks.size(); ++at) {
      const auto before = std::find_if(tasks.begin(), tasks.begin() + static_cast<std::ptrdiff_t>(at),
                                       [&](const PreparedTask& one) { return batch::conflict(one, tasks[at]); });
      if (before == tasks.begin() + static_cast<std::ptrdiff_t>(at)) continue;
      throw Error(
          fmt::format("the tasks {} and {} may write the same files, and under Slurm nothing keeps them from doing "
                      "so at once",
                      before->task.id, tasks[at].task.id),
          "Give each a clone of its own, or set --workspace-mode read-only.", ExitCode::usage);
    }
  }

  int run_in_slurm(const std::vector<PreparedTask>& left, batch::MapProgress& progress) {
    refuse_shared_files(left);
    std::set<std::string> workspaces;
    for (const PreparedTask& task : left) workspaces.insert(task.task.workspace);
    never_start_from({workspaces.begin(), workspaces.end()});
    const batch::SharedResults shared = batch::SharedResults::open(shared_path(), true);
    batch::SlurmMapOptions slurm;
    slurm.common = options_.run;
    slurm.retries = options_.retries;
    slurm.job.program = host::own_executable();
    slurm.job.at_a_time = options_.jobs.value_or(0);
    slurm.job.options = options_.sbatch_options;
    slurm.job.arguments = {fmt::format("--retries={}", options_.retries)};
    if (options_.retry_failed) slurm.job.arguments.emplace_back("--retry-failed");
    if (logs_) slurm.job.arguments.push_back("--logs=" + logs_.path());
    announce(left, "submitting to Slurm");
    SignalWait signals;
    batch::SlurmMapEvents events;
    events.ended = [&](const batch::TaskResult& result) { keep(result, progress); };
    events.step = [&](const std::string& text) { progress.step(text); };
    events.pause = [&](std::chrono::milliseconds time) { return signals.wait(time); };
    batch::SlurmPrograms programs;
    const batch::SlurmMapEnd end = batch::SlurmMap(left, std::move(slurm), std::move(events), programs, shared).run();
    if (end.cancelled > 0) {
      progress.clear();
      say(fmt::format("{} task{} cancelled in Slurm; agentvm map --resume --slurm submits what is left", end.cancelled,
                      end.cancelled == 1 ? " was" : "s were"));
    }
    // What elements printed is of use as long as something went wrong.
    if (progress.all_good()) {
      if (const std::string failure = shared.remove(); !failure.empty()) log_warning("could not remove: " + failure);
    }
    return end.signal;
  }

  const MapOptions& options_;
  batch::TasksSource source_;
  Place results_place_;
  HeldDirectory logs_;
  std::vector<PreparedTask> tasks_;
  batch::ResultsFile results_;
};

}  // namespace

int map(const MapOptions& options, const Context& context) {
  if (options.one) {
    batch::NodeTaskOptions task{.tasks = options.tasks,
                                .line = *options.one,
                                .results = options.results,
                                .logs = options.logs,
                                .retry = {.retries = options.retries, .retry_failed = options.retry_failed},
                                .common = options.run};
    return batch::run_node_task(task, context);
  }
  return Map(options, context).run();
}

}  // namespace agentvm::commands
