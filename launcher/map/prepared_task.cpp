// prepared_task.cpp - reads the tasks file and looks at every task's workspace and profile.
#include "launcher/map/prepared_task.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/startable.hpp"
#include "launcher/map/run_words.hpp"
#include "launcher/run/plan.hpp"
#include "launcher/run/workspace_check.hpp"

namespace agentvm::batch {

using commands::RunOptions;

namespace {

const std::string move_it = "Move it to a directory that no guest writes in";

class Preparer {
 public:
  Preparer(const TasksSource& source, const std::vector<KeptPlace>& kept, const RunOptions& common,
           const commands::Context& context)
      : source_(source), kept_(kept), common_(common), context_(context) {}

  std::vector<PreparedTask> prepare() {
    Tasks read = parse_tasks(source_.text, source_.path);
    problems_ = std::move(read.problems);
    std::vector<PreparedTask> prepared;
    for (Task& task : read.tasks) prepared.push_back(one(std::move(task)));
    if (!problems_.empty()) {
      std::stable_sort(problems_.begin(), problems_.end(),
                       [](const vmspec::Problem& a, const vmspec::Problem& b) { return a.line < b.line; });
      throw vmspec::problems_error(problems_);
    }
    return prepared;
  }

 private:
  PreparedTask one(Task task) {
    PreparedTask prepared;
    line_ = task.line;
    try {
      key_ = "options";
      const RunOptions own = parse_options(task);
      key_ = "workspace";
      const HeldDirectory workspace = commands::check_workspace(absolute(task.workspace), context_.roots);
      prepared.workspace = WorkspaceId(workspace);
      prepared.words = run_words(task, workspace.path(), common_);
      key_ = task.profile.empty() ? "options" : "profile";
      look_at_profile(own, workspace, prepared);
      key_ = "workspace";
      if (!prepared.read_only) keep_files_from(prepared.workspace, workspace.path());
      task.workspace = workspace.path();
    } catch (const Error& error) {
      add(error);
    }
    prepared.task = std::move(task);
    return prepared;
  }

  std::string absolute(const std::string& workspace) const {
    if (workspace.empty() || workspace.front() == '/') return workspace;
    return (source_.directory_path == "/" ? "" : source_.directory_path) + "/" + workspace;
  }

  /// With the command line's settings below the task's own, as run_words has them.
  void look_at_profile(const RunOptions& own, const HeldDirectory& workspace, PreparedTask& prepared) const {
    std::vector<commands::Override> overrides;
    for (const commands::Override& setting : common_.overrides) {
      const bool replaced =
          !setting.key.ends_with(".add") && std::any_of(own.overrides.begin(), own.overrides.end(),
                                                        [&](const auto& mine) { return mine.key == setting.key; });
      if (!replaced) overrides.push_back(setting);
    }
    overrides.insert(overrides.end(), own.overrides.begin(), own.overrides.end());
    const bool trusted = common_.trust_workspace || own.trust_workspace;
    const vmspec::Profile profile =
        commands::load_profile(own.profile.empty() ? common_.profile : own.profile, workspace, overrides,
                               trusted ? commands::WorkspaceTrust::trusted : commands::WorkspaceTrust::narrow_only);
    prepared.read_only = profile.workspace.mode == vmspec::WorkspaceMode::read_only;
    prepared.vcpus = profile.machine.vcpus;
    prepared.memory_bytes = profile.machine.memory_bytes;
  }

  /// A guest that writes there would choose the next tasks, or make up results.
  void keep_files_from(const WorkspaceId& workspace, const std::string& path) const {
    if (workspace.holds(source_.directory)) {
      throw Error("the tasks file lies in the workspace " + path + ", where its guest can write it", move_it,
                  ExitCode::usage);
    }
    for (const KeptPlace& place : kept_) {
      if (!workspace.holds(place.directory)) continue;
      throw Error(place.what + " would lie in the workspace " + path + ", where its guest can write them",
                  "Name another place: " + place.option, ExitCode::usage);
    }
  }

  /// A line of the message is a mistake of its own; one that every task shares is told once.
  void add(const Error& error) {
    const std::string text = error.what();
    std::size_t start = 0;
    while (start <= text.size()) {
      const std::size_t end = std::min(text.find('\n', start), text.size());
      std::string message = text.substr(start, end - start);
      start = end + 1;
      if (!told_.emplace(key_, message).second) continue;
      std::string hint = start > text.size() ? error.hint() : "";
      while (!hint.empty() && hint.back() == '.') hint.pop_back();
      problems_.push_back({.file = source_.path,
                           .line = line_,
                           .key = key_,
                           .message = std::move(message),
                           .hint = std::move(hint),
                           .code = error.code()});
    }
  }

  const TasksSource& source_;
  const std::vector<KeptPlace>& kept_;
  const RunOptions& common_;
  const commands::Context& context_;
  std::vector<vmspec::Problem> problems_;
  std::set<std::pair<std::string, std::string>> told_;
  unsigned line_ = 0;
  std::string key_;
};

}  // namespace

TasksSource read_tasks_file(const std::string& path) {
  const auto refused = [&](const std::string& why, const std::string& hint = {}) {
    return Error("the tasks file " + path + " " + why, hint, ExitCode::usage);
  };
  if (const auto place = place_of_others(path)) {
    throw refused("lies in " + *place + ", where a guest may write, and it decides what runs on this host",
                  move_it + ".");
  }
  TasksSource source;
  try {
    const auto slash = path.rfind('/');
    const HeldDirectory directory = HeldDirectory::resolve(slash == std::string::npos ? "."
                                                           : slash == 0               ? "/"
                                                                                      : path.substr(0, slash));
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    source.directory = WorkspaceId(directory);
    source.directory_path = directory.path();
    source.path = (directory.path() == "/" ? "" : directory.path()) + "/" + name;
    source.text = read_file(directory.through() + "/" + name, max_tasks_bytes);
  } catch (const Error& error) {
    throw refused("cannot be read: " + std::string(error.what()), error.hint());
  }
  return source;
}

std::vector<PreparedTask> prepare_tasks(const TasksSource& source, const std::vector<KeptPlace>& kept,
                                        const RunOptions& common, const commands::Context& context) {
  return Preparer(source, kept, common, context).prepare();
}

bool conflict(const PreparedTask& one, const PreparedTask& other) {
  return !(one.read_only && other.read_only) && one.workspace.overlaps(other.workspace);
}

std::size_t taking_turns(const std::vector<PreparedTask>& tasks) {
  std::size_t waiting = 0;
  for (std::size_t at = 1; at < tasks.size(); ++at) {
    const bool waits = std::any_of(tasks.begin(), tasks.begin() + static_cast<std::ptrdiff_t>(at),
                                   [&](const PreparedTask& before) { return conflict(before, tasks[at]); });
    if (waits) ++waiting;
  }
  return waiting;
}

}  // namespace agentvm::batch
