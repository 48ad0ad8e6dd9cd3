// cloud_hypervisor_events.cpp - splits the event monitor's stream into events.
#include "launcher/hypervisor/cloud_hypervisor_events.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "launcher/hypervisor/vmm_words.hpp"

namespace agentvm::hypervisor {

namespace {

using nlohmann::json;

/// What is shorter is not parsed: the library words each refusal, and there would be one for every two bytes.
constexpr std::string_view shortest_event = R"({"source":"s","event":"e"})";

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<VmmEvent> parse_event(std::string_view text) {
  if (text.size() < shortest_event.size()) return std::nullopt;
  const json document = parse_vmm_json(text);
  if (!document.is_object()) return std::nullopt;
  VmmEvent event{text_of(document, "source"), text_of(document, "event"), {}};
  if (event.source.empty() || event.event.empty()) return std::nullopt;
  const auto properties = document.find("properties");
  if (properties != document.end() && properties->is_object()) event.id = text_of(*properties, "id");
  return event;
}

}  // namespace

std::vector<VmmEvent> VmmEventReader::feed(std::string_view bytes) {
  std::vector<VmmEvent> events;
  if (given_up_) return events;
  pending_ += bytes;
  std::size_t start = 0;
  std::size_t end = 0;
  for (std::size_t from = searched_; (end = pending_.find("\n\n", from)) != std::string::npos; from = start = end + 2) {
    if (end - start > longest_vmm_event) {
      given_up_ = true;
      break;
    }
    if (auto event = parse_event(std::string_view(pending_).substr(start, end - start))) {
      events.push_back(std::move(*event));
    }
  }
  pending_.erase(0, start);
  // The longest may be here already with the first half of its end.
  given_up_ = given_up_ || pending_.size() > longest_vmm_event + 1;
  if (given_up_) pending_ = {};
  searched_ = pending_.empty() ? 0 : pending_.size() - 1;
  return events;
}

}  // namespace agentvm::hypervisor
