// tasks_file.hpp - the tasks file: text to tasks, or to every mistake in it at once. Pure.
//
// One JSON object a line; an empty line is none. The keys are
//
//   "workspace"  a directory; relative to the directory of the file
//   "prompt"     a text for the agent, or
//   "command"    an array of words that is run instead of it: one of the two
//   "id"         the task's name in the results; default: the number of its line
//   "profile"    the kind of VM; default: the command line's
//   "options"    an array of words of `agentvm run`, such as ["--memory", "2GiB"]
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/map/task.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::batch {

inline constexpr std::size_t max_tasks_bytes = std::size_t{64} << 20;
inline constexpr std::size_t max_tasks = 10'000;
inline constexpr std::size_t max_task_bytes = std::size_t{256} << 10;  ///< one line
inline constexpr std::size_t max_words_bytes = std::size_t{64} << 10;  ///< a prompt, a command's or the options' words
inline constexpr std::size_t max_words = 1'000;                        ///< of a command, and of the options

struct Tasks {
  std::vector<Task> tasks;                ///< in the order of their lines; those without a mistake
  std::vector<vmspec::Problem> problems;  ///< in the order of their lines
};

/// `file` is what problems call it.
Tasks parse_tasks(std::string_view text, const std::string& file);

/// The line that is parsed as this task, with its newline. The digest is another when it was made from another line.
std::string to_line(const Task& task);

}  // namespace agentvm::batch
