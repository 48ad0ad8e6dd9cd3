// cloud_hypervisor_events.cpp - splits the event monitor's stream into events.
#include "launcher/hypervisor/cloud_hypervisor_events.hpp"

#include <nlohmann/json.hpp>
#include <optional>

namespace agentvm::hypervisor {

namespace {

using nlohmann::json;

constexpr std::size_t longest_event = std::size_t{64} << 10;

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<VmmEvent> parse_event(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
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
  for (std::size_t end = 0; (end = pending_.find("\n\n", start)) != std::string::npos; start = end + 2) {
    if (auto event = parse_event(std::string_view(pending_).substr(start, end - start))) {
      events.push_back(std::move(*event));
    }
  }
  pending_.erase(0, start);
  if (pending_.size() > longest_event) {
    given_up_ = true;
    pending_.clear();
  }
  return events;
}

}  // namespace agentvm::hypervisor
