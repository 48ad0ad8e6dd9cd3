// slurm.cpp - command lines, and the answers to them.
#include "launcher/map/slurm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

namespace agentvm::batch {

namespace {

using namespace std::chrono_literals;

/// A controller that is busy answers late; squeue itself gives up after its own MessageTimeout (10 s).
constexpr auto answer_limit = 60s;
constexpr std::size_t longest_words = 500;

/// The states in which an element has ended for good (squeue(1), JOB STATE CODES).
constexpr std::array<std::string_view, 10> ended{"BOOT_FAIL", "CANCELLED",     "COMPLETED", "DEADLINE", "FAILED",
                                                 "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",  "TIMEOUT"};

std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string(R"('\'')") : std::string(1, c);
  return text + "'";
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Output ask(const std::string& program, std::vector<std::string> args) {
  SpawnOptions options;
  options.program = program;
  options.args = std::move(args);
  Output output;
  try {
    output = run_captured(std::move(options), answer_limit, std::size_t{16} << 20);
  } catch (const Error& error) {
    if (error.code() != ExitCode::not_found) throw;
    throw Error(error.what(), "Slurm's commands come with Debian's package slurm-client.", ExitCode::usage);
  }
  if (output.timed_out) throw Error(program + " did not answer within a minute");
  return output;
}

Error failure(const std::string& program, const Output& output) {
  return Error(program + " failed: " + plain_line(last_lines(output.err, 5), longest_words));
}

}  // namespace

std::string slurm_script(const SlurmJob& job) {
  std::string script = "#!/bin/sh\n# An element of agentvm map --slurm: one task.\n";
  // The caller's, which sbatch passes on, need not be there on a node.
  script += "[ -d \"${XDG_RUNTIME_DIR:-}\" ] || unset XDG_RUNTIME_DIR\n";
  script += fmt::format("exec {} map {} --one \"$SLURM_ARRAY_TASK_ID\" --results {}", quoted(job.program),
                        quoted(job.directory + "/tasks.jsonl"), quoted(job.directory));
  for (const std::string& word : job.arguments) script += " " + quoted(word);
  return script + "\n";
}

std::vector<std::string> sbatch_arguments(const SlurmJob& job, const std::string& script) {
  std::vector<std::string> words;
  words.emplace_back("--parsable");
  words.push_back("--job-name=" + job.name);
  words.push_back(
      fmt::format("--array=1-{}{}", job.tasks, job.at_a_time == 0 ? "" : fmt::format("%{}", job.at_a_time)));
  // A node that dies gives its tasks back.
  words.emplace_back("--requeue");
  words.emplace_back("--open-mode=append");
  words.push_back("--output=" + job.directory + "/slurm-%A_%a.out");
  words.push_back(fmt::format("--cpus-per-task={}", job.vcpus));
  words.push_back(fmt::format("--mem={}M", (job.memory + (1 << 20) - 1) >> 20));
  words.insert(words.end(), job.options.begin(), job.options.end());
  words.push_back(script);
  return words;
}

std::string job_number(std::string_view printed) {
  const std::string_view number = printed.substr(0, printed.find_first_of(";\n"));
  const bool digits =
      !number.empty() && std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) throw Error("sbatch printed no job number but '" + plain_line(printed, longest_words) + "'");
  return std::string(number);
}

SlurmStates slurm_states(std::string_view printed) {
  SlurmStates states;
  for (const std::string_view line : lines_of(printed)) {
    const std::size_t bar = line.find('|');
    unsigned index = 0;
    if (bar == std::string_view::npos) continue;
    const auto [end, error] = std::from_chars(line.data(), line.data() + bar, index);
    if (error == std::errc() && end == line.data() + bar) states[index] = std::string(line.substr(bar + 1));
  }
  return states;
}

bool slurm_alive(std::string_view state) {
  return std::find(ended.begin(), ended.end(), state) == ended.end();
}

std::string SlurmPrograms::submit(const SlurmJob& job) {
  const std::string script = job.directory + "/job.sh";
  write_file_atomic(script, slurm_script(job), 0700);
  const Output output = ask("sbatch", sbatch_arguments(job, script));
  if (output.status.shell_code() != 0) throw failure("sbatch", output);
  return job_number(output.out);
}

std::vector<std::string> SlurmPrograms::find(const std::string& name) {
  const Output output = ask("squeue", {"--noheader", "--me", "--name=" + name, "--format=%F"});
  if (output.status.shell_code() != 0) throw failure("squeue", output);
  std::vector<std::string> jobs;
  for (const std::string_view line : lines_of(output.out)) jobs.push_back(job_number(line));
  std::sort(jobs.begin(), jobs.end());
  jobs.erase(std::unique(jobs.begin(), jobs.end()), jobs.end());
  return jobs;
}

SlurmStates SlurmPrograms::states(const std::string& job) {
  const Output output = ask("squeue", {"--noheader", "--array", "--states=all", "--jobs=" + job, "--format=%K|%T"});
  if (output.status.shell_code() == 0) return slurm_states(output.out);
  // A job is forgotten some minutes after its end (MinJobAge).
  if (output.err.find("Invalid job id") != std::string::npos) return {};
  throw failure("squeue", output);
}

void SlurmPrograms::cancel(const std::string& job) {
  const Output output = ask("scancel", {job});
  if (output.status.shell_code() != 0) throw failure("scancel", output);
}

}  // namespace agentvm::batch
