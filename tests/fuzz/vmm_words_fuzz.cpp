// vmm_words_fuzz.cpp - what a VMM says, any bytes of it: events in any pieces, an error's words, the answer to a ping.
//
// Besides not crashing: how the event monitor's bytes are cut changes no event, a document that is taken is no deeper
// than promised, and what ends in a message is one short line. The first byte says how large the pieces are, the second
// whether and how often what follows is repeated, as documents and as nesting.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "launcher/hypervisor/cloud_hypervisor_api.hpp"
#include "launcher/hypervisor/cloud_hypervisor_events.hpp"
#include "launcher/hypervisor/cloud_hypervisor_support.hpp"
#include "launcher/hypervisor/vmm_words.hpp"

using namespace agentvm::hypervisor;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::vector<VmmEvent> events_of(std::string_view text, std::size_t piece) {
  VmmEventReader reader;
  std::vector<VmmEvent> events;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    for (VmmEvent& event : reader.feed(text.substr(at, piece))) events.push_back(std::move(event));
  }
  return events;
}

void check_events(const std::string& text, std::size_t piece) {
  const std::vector<VmmEvent> events = events_of(text, text.size() + 1);
  require(events == events_of(text, piece));
  for (const VmmEvent& event : events) {
    require(!event.source.empty() && !event.event.empty());
    require(event.source.size() + event.event.size() + event.id.size() <= longest_vmm_event);
  }
}

std::size_t depth_of(const nlohmann::json& document) {
  std::size_t deepest = 0;
  for (const nlohmann::json& item : document) deepest = std::max(deepest, item.is_structured() ? depth_of(item) : 0);
  return document.is_structured() ? deepest + 1 : 0;
}

/// As an answer is used: looked at, copied, compared.
void check_answer(std::string_view text) {
  const nlohmann::json document = parse_vmm_json(text);
  require(document.is_discarded() || depth_of(document) <= max_vmm_json_depth);
  const nlohmann::json copy = document;  // NOLINT(performance-unnecessary-copy-initialization): this is what is tried
  require(document.is_discarded() || copy == document);
  try {
    cloud_hypervisor_features(document);
  } catch (const agentvm::Error& error) {
    require(one_line(error.what()) && std::string_view(error.what()).size() <= 200);
  }
  const std::string words = api_error_words(500, text);
  require(!words.empty() && words.size() <= 1000 && one_line(words));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = data[0] + std::size_t{1};
  const std::string text(reinterpret_cast<const char*>(data) + 2, size - 2);
  check_answer(text);
  check_events(text, piece);
  // A length that no mutation finds by itself, below and above the limits; not for each input, because it takes longer.
  if (data[1] < 0xf8 || text.empty()) return 0;
  const std::size_t times = (longest_vmm_event + 1) / text.size() * (data[1] - 0xf7U) / 4 + 1;
  std::string repeated;
  for (std::size_t i = 0; i < times; ++i) repeated += text;
  check_answer(repeated);
  check_events(repeated, piece * 61);
  check_events(repeated + "\n\n{\"source\":\"vm\",\"event\":\"x\"}\n\n", piece * 61);
  return 0;
}
