// tasks_file.cpp - reads the tasks file line by line.
#include "launcher/map/tasks_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/json/bounded.hpp"
#include "launcher/map/digest.hpp"

namespace agentvm::batch {

using nlohmann::json;
using vmspec::quote_value;

namespace {

constexpr std::array<std::string_view, 6> keys{"workspace", "prompt", "command", "id", "profile", "options"};
constexpr std::size_t max_path_bytes = 4096;
constexpr std::size_t max_profile_bytes = 4096;
constexpr std::size_t max_id_bytes = 64;
const std::string shape =
    R"(A task is {"workspace": "DIR", "prompt": "TEXT"} or {"workspace": "DIR", "command": [...]})";

bool valid_id(std::string_view id) {
  const auto letter = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !id.empty() && id.size() <= max_id_bytes && letter(id.front()) &&
         std::all_of(id.begin(), id.end(), [&](char c) { return letter(c) || c == '.' || c == '_' || c == '-'; });
}

class TaskReader {
 public:
  TaskReader(const std::string& file, unsigned line, std::vector<vmspec::Problem>& problems)
      : file_(file), line_(line), problems_(problems) {}

  std::optional<Task> read(std::string_view text) {
    if (const std::string refusal = json_refusal(text, {.bytes = max_task_bytes, .depth = 3, .keys = 100});
        !refusal.empty()) {
      problem("", "this line is no task: " + refusal, shape);
      return std::nullopt;
    }
    const json object = json::parse(text);
    if (!object.is_object()) {
      problem("", "this line is no task: it is no JSON object", shape);
      return std::nullopt;
    }
    Task task;
    task.line = line_;
    for (const auto& [key, value] : object.items()) check_key(key);
    task.id = std::to_string(line_);
    if (object.contains("id")) take_id(object["id"], task.id);
    take_text(object, "workspace", max_path_bytes, task.workspace);
    take_text(object, "prompt", max_words_bytes, task.prompt);
    take_text(object, "profile", max_profile_bytes, task.profile);
    take_words(object, "command", task.command);
    take_words(object, "options", task.options);
    if (!object.contains("workspace")) {
      problem("workspace", "is missing", "Name the directory that the task works on");
    }
    check_what_to_do(object);
    if (std::find(task.options.begin(), task.options.end(), "--") != task.options.end()) {
      problem("options", "may not hold '--'", "What follows it is this task's prompt or command");
    }
    if (found_) return std::nullopt;
    json meaning = object;
    meaning.erase("id");
    task.digest = digest_of(meaning.dump());
    return task;
  }

 private:
  void problem(std::string key, std::string message, std::string hint) {
    found_ = true;
    problems_.push_back(
        {.file = file_, .line = line_, .key = std::move(key), .message = std::move(message), .hint = std::move(hint)});
  }

  void check_key(const std::string& key) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) return;
    const auto near = vmspec::nearest(key, keys);
    problem("", "unknown key " + quote_value(key),
            near ? "did you mean '" + *near + "'?" : "the keys are workspace, prompt, command, id, profile, options");
  }

  void take_id(const json& value, std::string& id) {
    if (value.is_string() && valid_id(value.get_ref<const std::string&>())) {
      id = value;
      return;
    }
    problem(
        "id",
        (value.is_string() ? quote_value(value.get_ref<const std::string&>()) : shown(value)) + " is no name of a task",
        "It begins with a letter or a digit, has letters, digits and . _ - and is at most 64 bytes long");
  }

  void take_text(const json& object, const char* key, std::size_t limit, std::string& text) {
    const auto found = object.find(key);
    if (found == object.end()) return;
    if (!found->is_string()) {
      problem(key, "must be a string, not " + shown(*found), "Write it in double quotes");
      return;
    }
    text = *found;
    check_text(key, text, limit);
    if (text.empty()) problem(key, "is empty", "Give it a value, or leave it out");
  }

  void take_words(const json& object, const char* key, std::vector<std::string>& words) {
    const auto found = object.find(key);
    if (found == object.end()) return;
    const bool strings = found->is_array() &&
                         std::all_of(found->begin(), found->end(), [](const json& word) { return word.is_string(); });
    if (!strings) {
      problem(key, "must be an array of strings, not " + shown(*found), R"(As in ["make", "test"])");
      return;
    }
    if (found->size() > max_words) {
      problem(key, fmt::format("has {} words, and at most {} are taken", found->size(), max_words),
              "Put them into a script");
      return;
    }
    std::string all;
    for (const json& word : *found) {
      words.push_back(word.get<std::string>());
      all += words.back();
    }
    check_text(key, all, max_words_bytes);
  }

  void check_text(const char* key, const std::string& text, std::size_t limit) {
    if (text.size() > limit) {
      problem(key, fmt::format("is {} bytes long, and at most {} are taken", text.size(), limit),
              "Put it into a file of the workspace, and name the file");
    }
    if (text.find('\0') != std::string::npos) {
      problem(key, "holds a NUL character, which no argument of a program can", "Take it out");
    }
  }

  void check_what_to_do(const json& object) {
    const bool prompt = object.contains("prompt");
    const bool command = object.contains("command");
    if (prompt && command) problem("command", "there is a prompt too", "Keep one of the two");
    if (!prompt && !command) problem("", "there is neither a prompt nor a command", shape);
    const auto words = object.find("command");
    if (words == object.end() || !words->is_array()) return;
    const bool nothing =
        words->empty() || (words->front().is_string() && words->front().get_ref<const std::string&>().empty());
    if (nothing) problem("command", "has no program", "The first word names it");
  }

  /// What a value is, in a word or as it was written.
  static std::string shown(const json& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    return quote_value(value.dump(-1, ' ', false, json::error_handler_t::replace));
  }

  const std::string& file_;
  unsigned line_;
  std::vector<vmspec::Problem>& problems_;
  bool found_ = false;
};

/// Two lines with one id would have one result.
void check_ids(const std::string& file, Tasks& read) {
  std::map<std::string, unsigned> lines;
  for (const Task& task : read.tasks) {
    const auto [first, fresh] = lines.emplace(task.id, task.line);
    if (fresh) continue;
    read.problems.push_back(
        {.file = file,
         .line = task.line,
         .key = "id",
         .message = fmt::format("{} is the name of line {} already", quote_value(task.id), first->second),
         .hint = "Give each task a name of its own; one without a name is called like the number of its line"});
  }
}

}  // namespace

Tasks parse_tasks(std::string_view text, const std::string& file) {
  Tasks read;
  unsigned number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (read.tasks.size() == max_tasks) {
      read.problems.push_back({.file = file,
                               .line = number,
                               .message = fmt::format("this is one task more than the {} that are taken", max_tasks),
                               .hint = "Split the file"});
      break;
    }
    if (auto task = TaskReader(file, number, read.problems).read(line)) read.tasks.push_back(*std::move(task));
  }
  check_ids(file, read);
  std::stable_sort(read.problems.begin(), read.problems.end(),
                   [](const vmspec::Problem& one, const vmspec::Problem& other) { return one.line < other.line; });
  if (read.tasks.empty() && read.problems.empty()) {
    read.problems.push_back({.file = file, .message = "there is no task in it", .hint = shape});
  }
  return read;
}

std::string to_line(const Task& task) {
  nlohmann::ordered_json line;
  line["id"] = task.id;
  line["workspace"] = task.workspace;
  if (task.command.empty()) {
    line["prompt"] = task.prompt;
  } else {
    line["command"] = task.command;
  }
  if (!task.profile.empty()) line["profile"] = task.profile;
  if (!task.options.empty()) line["options"] = task.options;
  return line.dump() + "\n";
}

}  // namespace agentvm::batch
