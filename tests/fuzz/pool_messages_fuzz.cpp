// pool_messages_fuzz.cpp - what callers, keepers and agentvm-poold send to each other: refused with an Error, or
// unchanged by a second trip.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.hpp"
#include "launcher/claim/messages.hpp"

namespace {

using namespace agentvm::pool;

template <typename Value>
void check(const nlohmann::json& body, Value (*from_json)(const nlohmann::json&)) {
  Value value;
  try {
    value = from_json(body);
  } catch (const agentvm::Error&) {
    return;
  }
  const nlohmann::json once = to_json(value);
  if (to_json(from_json(once)) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  nlohmann::json message;
  try {
    message = parse_message(std::string_view(reinterpret_cast<const char*>(data), size));
    static_cast<void>(name_of_message(message));
  } catch (const agentvm::Error&) {
    return 0;
  }
  const nlohmann::json& body = message.begin().value();
  check(body, claim_from_json);
  check(body, refusal_from_json);
  check(body, claimed_from_json);
  check(body, ended_from_json);
  check(body, keeper_state_from_json);
  try {
    static_cast<void>(text_in(body, "pool"));
    static_cast<void>(number_in(body, "size", 1000));
  } catch (const agentvm::Error&) {
  }
  return 0;
}
