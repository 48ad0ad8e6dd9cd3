// bounded_test.cpp - what JSON is not taken, and why.
#include "base/json/bounded.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/utf8.hpp"

using namespace agentvm;

namespace {

constexpr JsonLimits few{.bytes = 100, .depth = 3, .keys = 4};

}  // namespace

TEST_CASE("JSON within its limits is taken") {
  CHECK(json_refusal(R"({"a":[{"b":1}],"c":null})", few).empty());
  CHECK(parse_bounded_json(R"({"a":1})", few, "it") == nlohmann::json{{"a", 1}});
  CHECK(json_refusal(R"([{"a":1},{"a":2}])", few).empty());
}

TEST_CASE("JSON beyond a limit is refused with the limit") {
  CHECK(json_refusal(std::string(101, ' '), few) == "more than 100 bytes");
  CHECK(json_refusal("[[[[1]]]]", few) == "more than 3 levels deep");
  CHECK(json_refusal(R"({"a":1,"b":1,"c":1,"d":1,"e":1})", few) == "more than 4 keys");
  CHECK(json_refusal(R"([{"a":1,"a":2}])", few) == "duplicate key \"a\"");
  CHECK(json_refusal("{\"a\":\"\xff\"}", few).find("no valid JSON at byte") == 0);
  CHECK(json_refusal("[1,", few).find("no valid JSON at byte") == 0);
  CHECK(json_refusal(std::string(1'000'000, '['), {.bytes = 1'000'000}) == "more than 64 levels deep");
  CHECK_THROWS_WITH_AS(parse_bounded_json("[[[[1]]]]", few, "the plan"),
                       "the plan is not taken: more than 3 levels deep", Error);
}

TEST_CASE("UTF-8 is told from other bytes") {
  for (const char* text : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) CHECK(is_utf8(text));
  for (const char* text : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"}) {
    CHECK_FALSE(is_utf8(text));
  }
}
