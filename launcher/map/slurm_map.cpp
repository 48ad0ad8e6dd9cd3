// slurm_map.cpp - rounds of submitting, waiting and gathering.
#include "launcher/map/slurm_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_time.hpp"
#include "launcher/map/capacity.hpp"
#include "launcher/map/digest.hpp"
#include "launcher/map/run_words.hpp"

namespace agentvm::batch {

namespace {

using namespace std::chrono_literals;

/// Between two questions to Slurm's controller.
constexpr auto interval = 2s;

bool starts(const std::string& state, std::string_view with) {
  return state.rfind(with, 0) == 0;
}

std::vector<std::string> ids_in(const std::string& tasks_path) {
  std::vector<std::string> ids;
  const auto text = read_file_if_exists(tasks_path, max_tasks_bytes);
  if (!text) return ids;
  for (const Task& task : parse_tasks(*text, tasks_path).tasks) ids.push_back(task.id);
  return ids;
}

}  // namespace

std::string tasks_for_nodes(const std::vector<const PreparedTask*>& tasks, const commands::RunOptions& common) {
  std::string text;
  for (const PreparedTask* prepared : tasks) {
    Task task = prepared->task;
    std::vector<std::string> options = setting_words(common, parse_options(task));
    options.insert(options.end(), task.options.begin(), task.options.end());
    task.options = std::move(options);
    text += to_line(task);
  }
  return text;
}

SlurmMap::SlurmMap(const std::vector<PreparedTask>& tasks, SlurmMapOptions options, SlurmMapEvents events, Slurm& slurm,
                   const SharedResults& shared)
    : all_(tasks), options_(std::move(options)), events_(std::move(events)), slurm_(slurm), shared_(shared) {
  options_.job.name = "agentvm-map-" + digest_of(shared_.path());
  options_.job.directory = shared_.path();
}

void SlurmMap::read_digests() {
  const auto text = read_file_if_exists(shared_.digests_path());
  if (!text) return;
  const nlohmann::json object = nlohmann::json::parse(*text, nullptr, false);
  if (!object.is_object()) return;
  for (const auto& [id, digest] : object.items()) digests_[id] = digest.is_string() ? digest.get<std::string>() : "";
}

SlurmMapEnd SlurmMap::run() {
  read_digests();
  for (const std::string& job : slurm_.find(options_.job.name)) {
    order_ = ids_in(shared_.tasks_path());
    events_.step(fmt::format("job {} of an earlier map is still in Slurm; waiting for it", job));
    wait(job);
  }
  for (;;) {
    gather();
    std::vector<const PreparedTask*> next = left();
    if (end_.signal != 0 || next.empty()) break;
    if (next.size() > max_array) next.resize(max_array);
    const std::string job = submit(next);
    wait(job);
    if (end_.signal == 0) settle(job);
  }
  end_.cancelled = cancelled_.size();
  return end_;
}

void SlurmMap::gather() {
  for (const std::string& id : shared_.ids()) {
    if (done_.contains(id)) continue;
    const auto task =
        std::find_if(all_.begin(), all_.end(), [&](const PreparedTask& one) { return one.task.id == id; });
    if (task == all_.end()) continue;  // it had its result before
    auto result = shared_.find(id);
    if (!result) continue;
    if (const auto submitted = digests_.find(id);
        submitted != digests_.end() && submitted->second != task->task.digest) {
      throw Error(fmt::format("the result of {} in {} is of another task than line {} of the tasks file", id,
                              shared_.path(), task->task.line),
                  "Put the line back as it was when it was submitted, or remove the directory.", ExitCode::usage);
    }
    // The nodes read a line that was made for them.
    result->digest = task->task.digest;
    events_.ended(*result);
    done_.insert(id);
  }
}

std::vector<const PreparedTask*> SlurmMap::left() const {
  std::vector<const PreparedTask*> tasks;
  for (const PreparedTask& task : all_) {
    if (!done_.contains(task.task.id) && !cancelled_.contains(task.task.id)) tasks.push_back(&task);
  }
  return tasks;
}

std::string SlurmMap::submit(const std::vector<const PreparedTask*>& tasks) {
  SlurmJob job = options_.job;
  job.tasks = tasks.size();
  order_.clear();
  for (const PreparedTask* task : tasks) {
    order_.push_back(task->task.id);
    job.vcpus = std::max(job.vcpus, task->vcpus);
    job.memory = std::max(job.memory, task->memory_bytes + overhead_bytes);
  }
  for (const PreparedTask* task : tasks) digests_[task->task.id] = task->task.digest;
  write_file_atomic(shared_.digests_path(), nlohmann::json(digests_).dump());
  write_file_atomic(shared_.tasks_path(), tasks_for_nodes(tasks, options_.common));
  const std::string number = slurm_.submit(job);
  events_.step(fmt::format("job {} has {} task{}", number, tasks.size(), tasks.size() == 1 ? "" : "s"));
  return number;
}

void SlurmMap::wait(const std::string& job) {
  states_.clear();
  std::string said;
  for (;;) {
    bool over = false;
    std::string words;
    try {
      const SlurmStates now = slurm_.states(job);
      for (const auto& [index, state] : now) states_[index] = state;
      std::map<std::string, std::size_t> counts;
      for (const auto& [index, state] : now) {
        if (slurm_alive(state)) ++counts[state];
      }
      over = counts.empty();
      for (const auto& [state, count] : counts)
        words += fmt::format("{}{} {}", words.empty() ? "" : ", ", count, state);
    } catch (const Error& error) {
      words = std::string("Slurm does not answer: ") + error.what();
    }
    gather();
    if (over) return;
    if (std::exchange(said, words) != words) events_.step(fmt::format("job {}: {}", job, words));
    const int signal = events_.pause(interval);
    if (signal == 0) continue;
    if (end_.signal != 0) return;
    end_.signal = signal;
    slurm_.cancel(job);
  }
}

void SlurmMap::give_up(const std::string& job, const std::string& id, const std::string& state) {
  const auto task = std::find_if(all_.begin(), all_.end(), [&](const PreparedTask& one) { return one.task.id == id; });
  if (task == all_.end()) return;
  const bool late = starts(state, "TIMEOUT") || starts(state, "DEADLINE");
  const auto index = std::find(order_.begin(), order_.end(), id) - order_.begin() + 1;
  TaskResult result;
  result.id = id;
  result.digest = task->task.digest;
  result.exit_code = static_cast<int>(late ? ExitCode::timeout : ExitCode::agentvm_failed);
  result.ended = late ? "timeout" : "lost";
  result.job = fmt::format("{}_{}", job, index);
  result.attempts = lost_[id];
  result.started = utc_text(unix_ms());
  result.error = fmt::format("Slurm's job {} ended without a result ({}); what it printed: {}/slurm-{}.out", result.job,
                             state.empty() ? "UNKNOWN" : state, shared_.path(), result.job);
  // A node that is alive after all may have it ready by now.
  if (!shared_.publish(result)) return;
  gather();
}

void SlurmMap::settle(const std::string& job) {
  for (std::size_t at = 0; at < order_.size(); ++at) {
    const std::string& id = order_[at];
    if (done_.contains(id)) continue;
    const auto found = states_.find(static_cast<unsigned>(at + 1));
    const std::string state = found == states_.end() ? "" : found->second;
    if (starts(state, "CANCELLED")) {
      cancelled_.insert(id);
    } else if (++lost_[id] > options_.retries || starts(state, "TIMEOUT")) {
      give_up(job, id, state);
    }
  }
}

}  // namespace agentvm::batch
