// bytes_test.cpp - words of the system in JSON, whatever bytes they have.
#include "base/wire/bytes.hpp"
#include "base/utf8.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

using namespace agentvm;
using nlohmann::json;

TEST_CASE("UTF-8 is told from what only looks like it") {
  for (const char* text :
       {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\xa6\x80", "\xf4\x8f\xbf\xbf", "\x7f", "\xed\x9f\xbf"}) {
    CHECK(is_utf8(text));
  }
  for (const char* text :
       {"\xff", "a\xc3", "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1", "\xe2\x82z"}) {
    CHECK_FALSE(is_utf8(text));
  }
}

TEST_CASE("every word comes back as it was - through the text of a document") {
  for (int first = 1; first < 256; ++first) {
    for (const int second : {1, 0x2f, 0x7f, 0x80, 0xbf, 0xc3, 0xff}) {
      const std::string word{static_cast<char>(first), static_cast<char>(second)};
      const std::string text = word_to_json(word).dump();
      CHECK(word_from_json(json::parse(text)) == word);
    }
  }
  CHECK(word_to_json("plain") == json("plain"));
}

TEST_CASE("what is no word is refused") {
  for (const char* text : {"1", "null", "[]", "{}", R"({"base64":1})", R"({"base64":"?"})", R"({"base64":"AA=="})",
                           R"({"base64":"YQ==","more":1})", R"("a\u0000")"}) {
    CHECK_FALSE(word_from_json(json::parse(text)));
  }
}
