// run_words.cpp - options as words again.
#include "launcher/map/run_words.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <variant>

#include "base/error.hpp"
#include "launcher/cli/parse.hpp"

namespace agentvm::batch {

using commands::Override;
using commands::RunOptions;

namespace {

constexpr std::string_view variable_prefix = "agent.env.";

/// Keys of lists add up, so both have a say; any other key has one value.
bool adds(const std::string& key) {
  return key.ends_with(".add");
}

bool sets(const RunOptions& options, const std::string& key) {
  return std::any_of(options.overrides.begin(), options.overrides.end(),
                     [&](const Override& one) { return one.key == key; });
}

void add_words(const Override& one, std::vector<std::string>& words) {
  for (const std::string& value : one.values) {
    if (one.flag == "--env") {
      const std::string name = one.key.substr(variable_prefix.size());
      const char* ours = std::getenv(name.c_str());
      words.push_back("--env=" + name + (ours != nullptr && value == ours ? "" : "=" + value));
    } else if (one.flag == "--set") {
      words.push_back("--set=" + one.key + "=" + value);
    } else {
      words.push_back(one.flag + "=" + value);
    }
  }
}

Error not_for_a_task(const std::string& option, const std::string& hint) {
  return Error(option + " is no option of a task", hint, ExitCode::usage);
}

}  // namespace

std::vector<std::string> setting_words(const RunOptions& common, const RunOptions& own) {
  std::vector<std::string> words;
  if (!common.profile.empty() && own.profile.empty()) words.push_back("--profile=" + common.profile);
  if (common.boot_timeout_ms != 0 && own.boot_timeout_ms == 0) {
    words.push_back("--boot-timeout=" + std::to_string(common.boot_timeout_ms) + "ms");
  }
  if (common.trust_workspace) words.emplace_back("--trust-workspace");
  for (const Override& one : common.overrides) {
    if (adds(one.key) || !sets(own, one.key)) add_words(one, words);
  }
  return words;
}

RunOptions parse_options(const Task& task) {
  // With the words behind "--", which decide what other options may be there.
  std::vector<std::string> words{"run"};
  words.insert(words.end(), task.options.begin(), task.options.end());
  commands::Invocation parsed = cli::parse(words);
  auto* own = std::get_if<RunOptions>(&parsed.verb);
  if (own == nullptr) throw not_for_a_task("--help", "Leave it out.");
  if (own->workspace != RunOptions().workspace) {
    throw not_for_a_task("a second directory", R"(The task's directory is its "workspace".)");
  }
  if (!own->profile.empty() && !task.profile.empty()) {
    throw not_for_a_task("--profile", R"(The task has a "profile" already; keep one of the two.)");
  }
  if (own->prompt || !own->prompt_file.empty()) throw not_for_a_task("--prompt", R"(Use the task's "prompt".)");
  if (own->detach) throw not_for_a_task("--detach", "map stays with each run until it ends; leave it out.");
  if (own->keep) throw not_for_a_task("--keep", "map leaves no VM behind; leave it out.");
  if (own->dry_run) throw not_for_a_task("--dry-run", "To see one task's plan, type its agentvm run --dry-run.");
  if (own->json) throw not_for_a_task("--json", "map reads every run's events already; leave it out.");
  if (own->tty) throw not_for_a_task("--tty", "A task has no terminal; leave it out.");
  if (!task.profile.empty()) own->profile = task.profile;
  return std::move(*own);
}

std::vector<std::string> run_words(const Task& task, const std::string& workspace, const RunOptions& common) {
  std::vector<std::string> words{"run", workspace, "--json"};
  // Before the options: one that lacks its value must not take this for it.
  if (!task.command.empty()) words.emplace_back("--command");
  const std::vector<std::string> settings = setting_words(common, parse_options(task));
  words.insert(words.end(), settings.begin(), settings.end());
  if (!task.profile.empty()) words.push_back("--profile=" + task.profile);
  words.insert(words.end(), task.options.begin(), task.options.end());
  words.emplace_back("--");
  if (task.command.empty()) {
    words.push_back(task.prompt);
  } else {
    words.insert(words.end(), task.command.begin(), task.command.end());
  }
  return words;
}

}  // namespace agentvm::batch
