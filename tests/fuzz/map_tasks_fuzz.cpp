// map_tasks_fuzz.cpp - any bytes as a tasks file or a results line: tasks within every limit, or problems in one line
// each.
#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "launcher/map/result.hpp"
#include "launcher/map/tasks_file.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agentvm;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const batch::Tasks read = batch::parse_tasks(text, "tasks.jsonl");
  require(!read.tasks.empty() || !read.problems.empty(), "neither tasks nor problems", text);
  for (const vmspec::Problem& problem : read.problems) {
    const std::string line = vmspec::format(problem);
    require(line.starts_with("tasks.jsonl:") && line.find_first_of("\n\x1b") == std::string::npos, "not one line",
            line);
  }
  for (const batch::Task& task : read.tasks) {
    require(!task.id.empty() && task.id.size() <= 64 && task.id.find('/') == std::string::npos, "a bad name", task.id);
    require(task.prompt.empty() != task.command.empty(), "not one thing to do", text);
    for (const std::string& word : task.options) require(word != "--", "an end of options", text);
    const batch::Tasks again = batch::parse_tasks(batch::to_line(task), "again");
    require(again.tasks.size() == 1 && again.problems.empty(), "not taken again", batch::to_line(task));
    require(again.tasks[0].command == task.command && again.tasks[0].prompt == task.prompt &&
                again.tasks[0].options == task.options && again.tasks[0].id == task.id,
            "another task", batch::to_line(task));
  }
  try {
    const batch::TaskResult result = batch::result_from_line(text);
    const std::string line = batch::to_line(result);
    require(line.find('\n') == line.size() - 1, "not one line", line);
  } catch (const Error& error) {
    require(std::string(error.what()).find_first_of("\n\x1b") == std::string::npos, "not one line", error.what());
  }
  return 0;
}
