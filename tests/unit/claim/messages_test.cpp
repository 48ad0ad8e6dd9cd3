// messages_test.cpp - the pool's messages survive their JSON, and wrong ones are refused.
#include "launcher/claim/messages.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "launcher/claim/line_socket.hpp"

namespace agentvm::pool {

using nlohmann::json;

namespace {

const vmspec::MachineShape sample_shape{2, 1 << 30, 1 << 20, "the host's own under Linux 6.1.0"};

std::string refusal(const std::string& text) {
  try {
    const json message = parse_message(text);
    if (name_of_message(message) == "claim") claim_from_json(message["claim"]);
    if (name_of_message(message) == "claimed") claimed_from_json(message["claimed"]);
    if (name_of_message(message) == "state") keeper_state_from_json(message["state"]);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_SUITE("claim/messages") {
  TEST_CASE("each message survives its JSON") {
    const Claim claim = claim_from_json(json::parse(to_json(Claim{"rust", sample_shape, 2}).dump()));
    CHECK(claim.pool == "rust");
    CHECK(claim.shape == sample_shape);
    CHECK(claim.listeners == 2);
    vmspec::VmSpec spec;
    spec.name = "pool-rust-012345";
    const Claimed claimed = claimed_from_json(json::parse(to_json(Claimed{spec, true}).dump()));
    CHECK(claimed.spec == spec);
    CHECK(claimed.shared);
    KeeperState state{.name = "n", .phase = "idle", .boot_ms = 3, .memory_bytes = 4, .born_unix_ms = 5, .caller = 6};
    state.shape = sample_shape;
    const KeeperState back = keeper_state_from_json(json::parse(to_json(state).dump()));
    CHECK(back.phase == "idle");
    CHECK(back.caller == 6);
    CHECK(back.shape == sample_shape);
    CHECK(refusal_from_json(to_json(Refusal{"empty", "none"})).sentence == "none");
    CHECK(ended_from_json(to_json(Ended{"crashed", "it crashed"})).how == "crashed");
  }

  TEST_CASE("what is no message is refused") {
    CHECK(refusal("[]") == "a message must be an object with one member");
    CHECK(refusal("{}") == "a message must be an object with one member");
    CHECK(refusal(R"({"claim":1,"status":{}})") == "a message must be an object with one member");
    CHECK(refusal(R"({"claim":{},"claim":{}})").starts_with("a message of the pool is not taken"));
    CHECK(refusal(R"({"claim":[]})") == R"(claim: "pool" is missing)");
    CHECK(refusal(R"({"claim":{"pool":"a","listeners":17,"shape":{}}})") ==
          R"(claim: "listeners" must be a number up to 16)");
    CHECK(refusal(R"({"claim":{"pool":7,"listeners":1,"shape":{}}})") ==
          R"(claim: "pool" must be a name of at most 64 bytes)");
    CHECK(refusal(R"({"claimed":{"shared":1,"spec":{}}})") == R"(claimed: "shared" must be true or false)");
    CHECK(refusal(R"({"state":{}})") != "");
    CHECK(text_in({{"a", "b"}}, "a") == "b");
    CHECK(number_in({{"a", 3U}}, "a", 3) == 3);
    for (const json& body : {json({{"a", 4U}}), json({{"a", -1}}), json({{"a", nullptr}}), json::array(), json(7)}) {
      CAPTURE(body.dump());
      CHECK_THROWS_AS(text_in(body, "a"), Error);
      CHECK_THROWS_AS(number_in(body, "a", 3), Error);
    }
  }
}

}  // namespace agentvm::pool
