// map_flags.cpp - the options of `agentvm map`.
#include <CLI/App.hpp>

#include "launcher/cli/tree.hpp"

namespace agentvm::cli {

void add_map(CLI::App& tree, commands::MapOptions& options) {
  CLI::App* verb = tree.add_subcommand("map", "Run many tasks, a VM each, and gather their results");
  verb->add_option("tasks", options.tasks, "the tasks, one JSON object a line")->type_name("FILE")->required();
  verb->add_option("--profile", options.run.profile, "the kind of VM; `agentvm profile list` shows them")
      ->type_name("PROFILE");
  verb->add_option("-j,--jobs", options.jobs, "VMs at a time (default: what CPUs and memory allow)")->type_name("N");
  verb->add_option("--results", options.results, "where the results go (default: TASKS.results.jsonl beside the tasks)")
      ->type_name("FILE");
  verb->add_option("--logs", options.logs, "keep each task's events and output in DIR/ID.jsonl")->type_name("DIR");
  verb->add_option("--retries", options.retries, "how often a task whose VM was lost is tried again (default: 1)")
      ->type_name("N");
  verb->add_flag("--retry-failed", options.retry_failed, "also try again what ended with another exit code than 0");
  verb->add_flag("--resume", options.resume, "do what has no result yet");
  verb->add_flag("--json", options.json, "print each result on stdout too, as it comes");
  verb->add_flag("--slurm", options.slurm, "submit the tasks to Slurm instead of running them here");
  verb->add_option("--sbatch-option", options.sbatch_options, "one more option of sbatch (repeatable)")
      ->allow_extra_args(false)
      ->type_name("OPTION");
  verb->add_option("--one", options.one, "do only the task of this line; its result goes into the directory --results")
      ->type_name("LINE");
  add_run_settings(*verb, options.run);
  verb->footer(R"(A task is one line of the file:

  {"id": "fix-1", "workspace": "./app", "prompt": "fix the failing test"}
  {"id": "test", "workspace": "./lib", "command": ["make", "test"], "profile": "cpp", "options": ["--memory", "2GiB"]}

Each runs as `agentvm run` with the options given here and its own. Its result is one line of the results file, which is
on disk before the next task begins: --resume goes on after any end of map. Two tasks that may write the same files run
one after the other. Ctrl-c ends all VMs in order.

Examples:
  agentvm map tasks.jsonl
  agentvm map tasks.jsonl --jobs 8 --profile rust --results out.jsonl
  agentvm map tasks.jsonl --resume
  agentvm map tasks.jsonl --slurm --results slurm.jsonl --sbatch-option=--partition=long

--one is what a job of a cluster's scheduler runs; its exit code is the task's.
Exit code: 0 when every task ended with 0, 1 when one did not; 2 wrong usage, 125 agentvm failed, 130 ctrl-c.)");
}

}  // namespace agentvm::cli
