// dev_env_test.cpp - what of nix print-dev-env's answer becomes the agent's.
#include "launcher/nix/dev_env.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "tests/unit/has.hpp"

namespace agentvm::devshell {

using test::has;

namespace {

std::string dev_env_failure(const std::string& text) {
  try {
    parse_dev_env(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "taken";
}

std::string with_variable(const std::string& name, const std::string& value) {
  return nlohmann::json{{"variables", {{name, {{"type", "exported"}, {"value", value}}}}}}.dump();
}

}  // namespace

TEST_CASE("a devShell's exported variables and its PATH and its hook") {
  const DevEnv env = parse_dev_env(R"({
    "bashFunctions": {"f": " echo no\n"},
    "variables": {
      "FOO": {"type": "exported", "value": "a 'b' $c\nd"},
      "local": {"type": "var", "value": "not exported"},
      "list": {"type": "array", "value": ["a", "b"]},
      "map": {"type": "associative", "value": {"a": "b"}},
      "odd name": {"type": "exported", "value": "x"},
      "1ST": {"type": "exported", "value": "x"},
      "nul": {"type": "exported", "value": "a\u0000b"},
      "HOME": {"type": "exported", "value": "/homeless-shelter"},
      "TMPDIR": {"type": "exported", "value": "/build"},
      "SHELL": {"type": "exported", "value": "/sbin/nologin"},
      "TERM": {"type": "exported", "value": "dumb"},
      "PATH": {"type": "exported", "value": "/nix/store/a/bin:relative::/nix/store/b/bin:."},
      "shellHook": {"type": "var", "value": "echo hi"}
    }})");
  CHECK(env.environment == std::map<std::string, std::string>{{"FOO", "a 'b' $c\nd"}});
  CHECK(env.path == "/nix/store/a/bin:/nix/store/b/bin");
  CHECK(env.hook == "echo hi");
  CHECK(parse_dev_env(R"({"variables": {"shellHook": {"type": "exported", "value": " \n"}}})").hook.empty());
}

TEST_CASE("an answer that is no devShell is said to be none") {
  for (const char* text : {"", "null", "[]", "{", "{}", R"({"variables": []})", R"({"variables": {"A": 1}})"}) {
    CAPTURE(text);
    CHECK(has(dev_env_failure(text), "is no devShell"));
  }
  std::string deep = R"({"variables": {"A": )";
  for (int i = 0; i < 100'000; ++i) deep += '[';
  CHECK(has(dev_env_failure(deep), "is no devShell"));
  CHECK(has(dev_env_failure(std::string(max_answer + 1, ' ')), "longer than"));
}

TEST_CASE("variables that no program could be started with") {
  CHECK(dev_env_failure(with_variable("A", std::string(max_variable - 2, 'x'))) == "taken");
  CHECK(has(dev_env_failure(with_variable("A", std::string(max_variable - 1, 'x'))), "variable A has 131069 bytes"));
  CHECK(has(dev_env_failure(with_variable("shellHook", std::string(max_variable, 'x'))), "variable shellHook has"));
  nlohmann::json many;
  for (int i = 0; i < 9; ++i) {
    many["variables"]["V" + std::to_string(i)] = {{"type", "exported"}, {"value", std::string(120'000, 'x')}};
  }
  CHECK(has(dev_env_failure(many.dump()), "more than 1048576 bytes"));
}

}  // namespace agentvm::devshell
