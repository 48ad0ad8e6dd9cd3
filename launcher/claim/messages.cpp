// messages.cpp - the pool's messages as JSON.
#include "launcher/claim/messages.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json/bounded.hpp"
#include "vmspec/described_json.hpp"

namespace agentvm::pool {

using nlohmann::json;
using vmspec::DescribedJson;

BOOST_DESCRIBE_STRUCT(Refusal, (), (reason, sentence))
BOOST_DESCRIBE_STRUCT(Ended, (), (how, words))
BOOST_DESCRIBE_STRUCT(KeeperState, (), (name, phase, boot_ms, memory_bytes, born_unix_ms, caller))

namespace {

constexpr JsonLimits limits{.bytes = longest_line, .depth = 16, .keys = 20'000};

template <typename Message>
Message read(const json& value, const char* name) {
  Message message;
  DescribedJson::read(value, name, message);
  return message;
}

const json& member(const json& value, const char* name, const char* of) {
  const auto found = value.is_object() ? value.find(name) : value.end();
  if (!value.is_object() || found == value.end()) throw Error(std::string(of) + ": \"" + name + "\" is missing");
  return *found;
}

}  // namespace

json to_json(const Claim& claim) {
  return {{"pool", claim.pool}, {"shape", vmspec::to_json(claim.shape)}, {"listeners", claim.listeners}};
}

json to_json(const Refusal& refusal) {
  return DescribedJson::write(refusal);
}

json to_json(const Claimed& claimed) {
  return {{"spec", vmspec::to_json(claimed.spec)}, {"shared", claimed.shared}};
}

json to_json(const Ended& ended) {
  return DescribedJson::write(ended);
}

json to_json(const KeeperState& state) {
  json value = DescribedJson::write(state);
  value["shape"] = vmspec::to_json(state.shape);
  return value;
}

Claim claim_from_json(const json& value) {
  const json& pool = member(value, "pool", "claim");
  const json& listeners = member(value, "listeners", "claim");
  if (!pool.is_string() || pool.get_ref<const std::string&>().size() > 64)
    throw Error("claim: \"pool\" must be a name of at most 64 bytes");
  if (!listeners.is_number_unsigned() || listeners.get<std::uint64_t>() > most_listeners)
    throw Error("claim: \"listeners\" must be a number up to " + std::to_string(most_listeners));
  return {pool.get<std::string>(), vmspec::machine_shape_from_json(member(value, "shape", "claim")),
          listeners.get<unsigned>()};
}

Refusal refusal_from_json(const json& value) {
  return read<Refusal>(value, "refused");
}

Claimed claimed_from_json(const json& value) {
  const json& shared = member(value, "shared", "claimed");
  if (!shared.is_boolean()) throw Error("claimed: \"shared\" must be true or false");
  return {vmspec::vm_spec_from_json(member(value, "spec", "claimed")), shared.get<bool>()};
}

Ended ended_from_json(const json& value) {
  return read<Ended>(value, "ended");
}

KeeperState keeper_state_from_json(const json& value) {
  auto state = read<KeeperState>(value, "state");
  state.shape = vmspec::machine_shape_from_json(member(value, "shape", "state"));
  return state;
}

std::string text_in(const json& body, const char* name) {
  constexpr std::size_t longest = 4096;
  const json& value = member(body, name, "a message of the pool");
  if (!value.is_string() || value.get_ref<const std::string&>().size() > longest)
    throw Error(std::string("a message of the pool: \"") + name + "\" must be a text of at most 4096 bytes");
  return value.get<std::string>();
}

std::uint64_t number_in(const json& body, const char* name, std::uint64_t most) {
  const json& value = member(body, name, "a message of the pool");
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most)
    throw Error(std::string("a message of the pool: \"") + name + "\" must be a number up to " + std::to_string(most));
  return value.get<std::uint64_t>();
}

std::string name_of_message(const json& message) {
  if (!message.is_object() || message.size() != 1) throw Error("a message must be an object with one member");
  return message.begin().key();
}

json parse_message(std::string_view line) {
  return parse_bounded_json(line, limits, "a message of the pool");
}

}  // namespace agentvm::pool
