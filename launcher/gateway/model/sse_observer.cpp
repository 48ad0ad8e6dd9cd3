// sse_observer.cpp - see sse_observer.hpp. The events are those of OpenAI's Responses API.
#include "launcher/gateway/model/sse_observer.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "launcher/gateway/json_guard.hpp"

namespace agentvm::gateway {

namespace {

constexpr std::size_t max_line = std::size_t{1} << 20;
constexpr std::size_t max_command = 300;

/// A command as a person would write it: a string as it is, the words of an array with blanks between them.
std::string command_text(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::string text;
  if (!value.is_array()) return text;
  for (const auto& word : value) {
    if (!word.is_string() || text.size() > max_command) break;
    if (!text.empty()) text += ' ';
    text += word.get_ref<const std::string&>();
  }
  return text;
}

std::string command_of_item(const nlohmann::json& item) {
  const std::string type = string_member(item, "type");
  if (type == "local_shell_call") {
    const auto action = item.find("action");
    return action != item.end() && action->is_object() && action->contains("command")
               ? command_text((*action)["command"])
               : std::string();
  }
  const std::string name = string_member(item, "name");
  if (type != "function_call" || (name != "exec_command" && name != "shell" && name != "local_shell")) return {};
  const auto arguments = guarded_parse(string_member(item, "arguments"));
  if (!arguments.value.is_object()) return {};
  for (const char* key : {"cmd", "command"}) {
    if (arguments.value.contains(key)) return command_text(arguments.value[key]);
  }
  return {};
}

}  // namespace

std::string command_in_event(std::string_view data) {
  constexpr std::string_view event_type = "response.output_item.done";
  // Most events are deltas: they are not worth parsing.
  if (data.find(event_type) == std::string_view::npos) return {};
  const auto event = guarded_parse(data);
  if (!event.value.is_object() || string_member(event.value, "type") != event_type) return {};
  const auto item = event.value.find("item");
  if (item == event.value.end() || !item->is_object()) return {};
  return utf8_prefix(command_of_item(*item), max_command);
}

void SseObserver::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::string_view part = bytes.substr(0, newline);
    if (line_.size() + part.size() > max_line) {
      skipping_ = true;
      line_ = {};
    }
    if (newline == std::string_view::npos) {
      if (!skipping_) line_.append(part);
      return;
    }
    if (!skipping_) {
      if (line_.empty()) {
        take_line(part);
      } else {
        line_.append(part);
        take_line(line_);
      }
    }
    line_.clear();
    skipping_ = false;
    bytes.remove_prefix(newline + 1);
  }
}

void SseObserver::take_line(std::string_view line) {
  if (!line.starts_with("data:")) return;
  line.remove_prefix(5);
  std::string command = command_in_event(line);
  if (!command.empty()) on_command_(std::move(command));
}

}  // namespace agentvm::gateway
