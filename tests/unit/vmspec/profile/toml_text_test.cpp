// toml_text_test.cpp - strings survive the way through TOML.
#include "vmspec/profile/toml_text.hpp"

#include <doctest/doctest.h>

#include "vmspec/profile/setting.hpp"

namespace agentvm::vmspec {

TEST_CASE("any string parses back to itself") {
  for (const std::string& text :
       {std::string("plain"), std::string("quote \" and \\ backslash"), std::string("line\nbreak\ttab\r"),
        std::string("nul \0 inside", 12), std::string("\x7f\x01"), std::string("\xc3\xa9 \xf0\x9f\xa6\xa6"),
        std::string("\"\"\"\n]\n[evil]\nkey = 1"), std::string()}) {
    std::vector<Problem> problems;
    const auto root = parse_toml("value = " + toml_string(text) + "\n", "t", problems);
    REQUIRE(root);
    REQUIRE(root->entries.size() == 1);
    CHECK(root->entries[0].value.text == text);
  }
}

TEST_CASE("keys are bare where they may be") {
  CHECK(toml_key("a-b_9") == "a-b_9");
  CHECK(toml_key("a.b") == "\"a.b\"");
  CHECK(toml_key("") == "\"\"");
  CHECK(toml_key("a\nb") == "\"a\\nb\"");
}

TEST_CASE("lists and tables") {
  CHECK(toml_array({}) == "[]");
  CHECK(toml_array({"a", "b\""}) == "[\"a\", \"b\\\"\"]");
  CHECK(toml_inline_table({}) == "{}");
  CHECK(toml_inline_table({{"A", "1"}, {"B c", "2"}}) == "{ A = \"1\", \"B c\" = \"2\" }");
}

}  // namespace agentvm::vmspec
