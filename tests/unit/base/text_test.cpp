// text_test.cpp - whatever a stranger wrote, nothing of it drives a terminal.
#include "base/text.hpp"

#include <doctest/doctest.h>

#include "base/utf8.hpp"

using namespace agentvm;

namespace {

/// However the pieces are cut.
std::string cleaned(const std::string& text) {
  const std::string once = plain_text(text);
  PlainText single;
  std::string bytewise;
  for (const char c : text) bytewise += single.add({&c, 1});
  bytewise += single.finish();
  CHECK(bytewise == once);
  return once;
}

}  // namespace

TEST_CASE("what is UTF-8") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const char* wrong :
       {"\xff", "\x9b", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "\xe2\x82"}) {
    CAPTURE(wrong);
    CHECK_FALSE(is_utf8(wrong));
  }
}

TEST_CASE("one line shows what would drive the terminal") {
  CHECK(printable("a\x1b[2Jb\r\n\x7f") == "a\\x1b[2Jb\\x0d\\x0a\\x7f");
  CHECK(printable("tab\tand \xc3\xa9") == "tab\tand \xc3\xa9");
  // C1 in UTF-8, and as the single bytes that an 8-bit terminal takes for the same.
  CHECK(printable("\xc2\x9b"
                  "2J\xc2\x80\xc2\x9f\xc2\xa0\xc2") == "\\x9b2J\\x80\\x9f\xc2\xa0\\xc2");
  CHECK(printable("\x9b"
                  "2J") == "\\x9b2J");
  // Right-to-left override, isolate and line separator: the eye reads another line than the shell.
  CHECK(printable("a\xe2\x80\xae"
                  "b\xe2\x81\xa6\xe2\x80\xa8") == "a\\u{202e}b\\u{2066}\\u{2028}");
  CHECK(printable("abc", 3) == "abc");
  CHECK(printable("abcd", 3) == "abc...");
  CHECK(printable("ab\xc3\xa9", 3) == "ab...");
  CHECK(printable(std::string(1'000'000, '\x01'), 8) == "\\x01\\x01...");
}

TEST_CASE("JSON means the same") {
  CHECK(printable_json("{\"a\":\"b\"}") == "{\"a\":\"b\"}");
  CHECK(printable_json("\"\xc3\xa9 \xc2\x9b"
                       "2J \xe2\x80\xae \x7f\"") == "\"\xc3\xa9 \\u009b2J \\u202e \\u007f\"");
}

TEST_CASE("a line to be read has no sequences") {
  CHECK(plain_line("  \x1b[31;1merror:\x1b[0m no\x07pe \r", 100) == "error: no\\x07pe");
  CHECK(plain_line("a\x1b]52;c;ZXZpbA==\x07"
                   "b",
                   100) == "ab");
  CHECK(plain_line("one\ntwo\tthree", 100) == "one two three");
  CHECK(plain_line("abcdef", 3) == "abc");
  CHECK(plain_line("", 3) == "");
}

TEST_CASE("a log keeps its lines and loses what drives the terminal") {
  CHECK(cleaned("a\r\nb\n") == "a\nb\n");
  CHECK(cleaned("10%\r20%\n") == "10%\\x0d20%\n");
  CHECK(cleaned("\x1b[1;31mred\x1b[0m\x1b(B \x1b[?1049h\x1b=x\n") == "red x\n");
  CHECK(cleaned("\x1b]52;c;ZXZpbA==\x1b\\after\x1b]0;title\x07!\n") == "after!\n");
  CHECK(cleaned("\xc2\x9b"
                "2Jx\x9b"
                "2J\n") == "x\\x9b2J\n");
  CHECK(cleaned("\x1bP1$r\x1b\\\x1b_hidden\x1b\\shown\n") == "shown\n");
  // A sequence without an end hides its own line at most.
  CHECK(cleaned("\x1b]0;never ended\nnext\n") == "\nnext\n");
  CHECK(cleaned("\x1b[12\nnext") == "\nnext");
  CHECK(cleaned("caf\xc3\xa9 \xe2\x82") == "caf\xc3\xa9 \\xe2\\x82");
}

TEST_CASE("the last lines") {
  CHECK(last_lines("1\n2\r\n3\n", 2) == "2\n3\n");
  CHECK(last_lines("", 2) == "");
  CHECK(last_lines("\x1b[2Jx", 1) == "x\n");
  CHECK(last_lines(std::string(1000, 'x'), 1).size() == 401);
}
