// render_test.cpp - what `profile show` prints parses back to the same profile.
#include <doctest/doctest.h>

#include "tests/unit/vmspec/support.hpp"

namespace agentvm::vmspec {

using testing::builtin;
using testing::parse;

namespace {

void check_round_trip(const Profile& profile) {
  for (const bool origins : {false, true}) {
    const std::string text = render_profile(profile, origins);
    CAPTURE(text);
    const auto again = parse(text);
    for (const std::string& line : again.lines) FAIL_CHECK(line);
    CHECK(again.profile == profile);
    CHECK(render_profile(again.profile) == render_profile(profile));
  }
}

}  // namespace

TEST_CASE("built-in profiles and the empty one come back") {
  check_round_trip(Profile());
  for (const auto& [name, source] : builtin_profiles()) check_round_trip(builtin(name));
}

TEST_CASE("awkward strings come back") {
  Profile profile;
  profile.description = "quotes \" \\ and # hash";
  profile.agent.args = {"", "a\nb", "[x]", "\"\"\"", "\x01"};
  profile.agent.env = {{"A", "x\ty\r\n"}, {"B", "\xf0\x9f\xa6\xa6"}};
  profile.agent.timeout_ms = 5'400'500;
  profile.model.key = {KeySource::Kind::command, "", {"pass", "show", "a b"}};
  profile.mcp["x"] = {.command = {"x"},
                      .tools_allow = std::vector<std::string>{},
                      .tools_deny = {},
                      .arguments_deny = {{"tool.with dots", {{"arg \"q\"", {"v\\"}}}}, {"empty", {}}},
                      .env = {{"A", "x\ty"}},
                      .network = {"*.a.org:8443"}};
  check_round_trip(profile);
}

TEST_CASE("origins are comments") {
  std::vector<Problem> problems;
  const Profile profile = resolve_profile(
      "mine", std::nullopt,
      testing::sources_of({{"mine", "extends = \"rust\"\n[machine]\nvcpus = 2\nmemory = \"1GiB\"\n"}}), problems);
  const std::string text = render_profile(profile, true);
  CHECK(text.find("vcpus = 2  # mine.toml:3\n") != std::string::npos);
  CHECK(text.find("tools = [\"cargo\", \"rustc\"]  # built-in rust.toml:") != std::string::npos);
  CHECK(text.find("user = \"agent\"\n") != std::string::npos);
}

TEST_CASE("a file's name cannot break out of its comment") {
  Profile profile;
  std::vector<Problem> problems;
  apply_profile(profile, {"evil\n[machine]\nvcpus = 99\n#", "machine.vcpus = 2\n"}, problems);
  const auto again = parse(render_profile(profile, true));
  CHECK(again.lines.empty());
  CHECK(again.profile.machine.vcpus == 2);
}

}  // namespace agentvm::vmspec
