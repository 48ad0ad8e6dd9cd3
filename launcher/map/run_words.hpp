// run_words.hpp - a task as a command line of `agentvm run`, and the settings of `agentvm map` as words of it.
#pragma once

#include <string>
#include <vector>

#include "launcher/cli/options.hpp"
#include "launcher/map/task.hpp"

namespace agentvm::batch {

/// The settings that `map` shares with `run` (profile, overrides, boot timeout, trust) as words of `agentvm run`. What
/// `own` sets itself is left out: a task's option wins over the command line's. A variable that has our own value is
/// passed by its name, so that no process list shows it.
std::vector<std::string> setting_words(const commands::RunOptions& common, const commands::RunOptions& own);

/// A task's own options, parsed as `agentvm run` parses them. Throws a usage Error: what that would say, or that an
/// option cannot be a task's: those that `map` gives itself, and those that leave a VM behind.
commands::RunOptions parse_options(const Task& task);

/// The whole command line without "agentvm": attached, with events on stdout. `workspace` is absolute.
std::vector<std::string> run_words(const Task& task, const std::string& workspace, const commands::RunOptions& common);

}  // namespace agentvm::batch
