// builtin_test.cpp - the profiles that are compiled in can be run as they are.
#include <doctest/doctest.h>

#include "tests/unit/vmspec/support.hpp"

namespace agentvm::vmspec {

using testing::builtin;

TEST_CASE("there are seven") {
  std::vector<std::string> names;
  for (const auto& [name, source] : builtin_profiles()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"cpp", "default", "go", "nix", "node", "python", "rust"});
}

TEST_CASE("each is without mistakes and described and needs no engine this version lacks") {
  for (const auto& one : builtin_profiles()) {
    const std::string& name = one.first;
    CAPTURE(name);
    const Profile profile = builtin(name);
    CHECK_FALSE(profile.description.empty());
    CHECK(profile.model.upstream == "https://api.openai.com/v1");
    CHECK(profile.model.key == KeySource{KeySource::Kind::env, "OPENAI_API_KEY", {}});
    REQUIRE(profile.mcp.contains("nixos"));
    CHECK(profile.mcp.at("nixos").arguments_deny.at("nix").at("action") ==
          std::vector<std::string>{"flake-inputs", "store"});
    std::vector<Problem> problems;
    make_vm_spec(profile, testing::debian_host(), testing::some_run(), problems);
    for (const std::string& line : testing::format_all(problems)) FAIL_CHECK(line);
  }
}

}  // namespace agentvm::vmspec
