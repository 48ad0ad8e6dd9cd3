// vm_spec_test.cpp - the plan as JSON, both ways.
#include "vmspec/plan/vm_spec.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "tests/unit/vmspec/support.hpp"

namespace agentvm::vmspec {

namespace {

VmSpec any_spec() {
  std::vector<Problem> problems;
  return make_vm_spec(testing::builtin("rust"), testing::debian_host(), testing::some_run(), problems);
}

std::string error_of(const nlohmann::json& json) {
  try {
    vm_spec_from_json(json);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a plan comes back") {
  VmSpec spec = any_spec();
  CHECK(vm_spec_from_json(nlohmann::json::parse(to_json(spec).dump())) == spec);
  spec.model.reset();
  spec.mcp[0].tools_allow = std::vector<std::string>{"nix"};
  spec.agent.timeout_ms = 1'000'000'000'000;
  spec.memory_bytes = ~std::uint64_t{0};
  CHECK(vm_spec_from_json(to_json(spec)) == spec);
}

TEST_CASE("a wrong plan names the field") {
  const nlohmann::json good = to_json(any_spec());
  for (const auto& one : good.items()) {
    const std::string& key = one.key();
    CAPTURE(key);
    nlohmann::json bad = good;
    bad.erase(key);
    CHECK(error_of(bad) == "spec." + key + " is missing");
    bad[key] = 1.5;
    CHECK(error_of(bad).find("spec." + key + " must be") == 0);
  }
  nlohmann::json bad = good;
  bad["shares"][1]["read_only"] = "no";
  CHECK(error_of(bad) == "spec.shares[1].read_only must be true or false, but is string");
  bad = good;
  bad["vcpus"] = -1;
  CHECK(error_of(bad).find("spec.vcpus must be a whole number from 0 to") == 0);
  bad["vcpus"] = std::uint64_t{1} << 40;
  CHECK(error_of(bad).find("spec.vcpus") == 0);
  bad = good;
  bad["egress"] = "wide";
  CHECK(error_of(bad) == "spec.egress must be nat, proxy or none (got 'wide')");
  CHECK(error_of(nlohmann::json::array()) == "spec must be an object, but is array");
  bad = good;
  bad["agent"]["timeout_ms"] = ~std::uint64_t{0};
  CHECK(error_of(bad) == "spec.agent.timeout_ms must be a whole number, but is number");
  bad = good;
  bad["agent"]["env"]["A"] = nlohmann::json{{"base64", "?"}};
  CHECK(error_of(bad) == "spec.agent.env.A must be a string, but is object");
  bad = good;
  bad["made_later"] = 1;
  CHECK(error_of(bad).empty());
}

TEST_CASE("bytes that are no UTF-8 come back as they were") {
  VmSpec spec = any_spec();
  spec.agent.argv = {"rm", "f\xff", "\xc3\xa4"};
  spec.agent.env["NAME"] = "\x80";
  const std::string text = to_json(spec).dump(2);
  CHECK(parse_vm_spec(text) == spec);
  CHECK(text.find("\xc3\xa4") != std::string::npos);
}

TEST_CASE("a plan is read within limits") {
  const std::string good = to_json(any_spec()).dump();
  CHECK(parse_vm_spec(good) == any_spec());
  CHECK_THROWS_WITH_AS(parse_vm_spec(std::string(1000, '[')), "spec.json is not taken: more than 16 levels deep",
                       Error);
  CHECK_THROWS_WITH_AS(parse_vm_spec("{\"name\":\"a\"," + good.substr(1)),
                       "spec.json is not taken: duplicate key \"name\"", Error);
}

}  // namespace agentvm::vmspec
