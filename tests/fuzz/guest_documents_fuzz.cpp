// guest_documents_fuzz.cpp - the JSON documents of the links: whatever comes is refused with an Error, or survives a
// second trip through JSON unchanged.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.hpp"
#include "base/wire/guest.hpp"

namespace {

using nlohmann::json;

template <typename Value>
void check(const json& document, Value (*from_json)(const json&)) {
  Value value;
  try {
    value = from_json(document);
  } catch (const agentvm::Error&) {
    return;
  }
  if (!(from_json(agentvm::guest::to_json(value)) == value)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return 0;
  check(document, agentvm::guest::guest_setup_from_json);
  check(document, agentvm::guest::process_spec_from_json);
  check(document, agentvm::guest::ready_report_from_json);
  check(document, agentvm::guest::setup_reply_from_json);
  return 0;
}
