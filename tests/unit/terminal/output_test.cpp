// output_test.cpp - tables, times, sizes, and text that a guest may have written.
#include "launcher/terminal/output.hpp"

#include <doctest/doctest.h>

#include "launcher/client/json_lines.hpp"
#include "launcher/client/vm_record.hpp"
#include "launcher/terminal/terminal.hpp"

using namespace agentvm::commands;

TEST_CASE("columns are aligned by characters without spaces at the end") {
  CHECK(table({{"NAME", "STATE"}, {"a", "running"}, {"m\xc3\xbcller", "dead"}}) ==
        "NAME    STATE\na       running\nm\xc3\xbcller  dead\n");
  CHECK(table({{"a", ""}}) == "a\n");
  CHECK(table({}) == "");
}

TEST_CASE("ls shows what is unknown as a dash") {
  VmRecord known{"app", "running", "rust", "/home/u/app", 65'000, "codex", "u"};
  VmRecord unknown{"old", "dead", "", "", -1, "", ""};
  CHECK(record_table({known, unknown}) ==
        "NAME  STATE    PROFILE  UPTIME     AGENT  WORKSPACE\n"
        "app   running  rust     1 min 5 s  codex  /home/u/app\n"
        "old   dead     -        -          -      -\n");
}

TEST_CASE("sizes and times as people say them") {
  CHECK(human_bytes(0) == "0 bytes");
  CHECK(human_bytes(4ULL << 30) == "4 GiB");
  CHECK(human_bytes(1536) == "1.5 KiB");
  CHECK(human_time(800) == "0.8 s");
  CHECK(human_time(12'000) == "12 s");
  CHECK(human_time(200'000) == "3 min 20 s");
  CHECK(human_time(2 * 3600'000 + 300'000) == "2 h 5 min");
  CHECK(human_time(72LL * 3600'000) == "3 days");
  CHECK(human_time(-1) == "-");
  CHECK(milliseconds_since("2020-01-01T00:00:00.000Z") > 1000LL * 3600 * 24 * 365);
  CHECK(milliseconds_since("yesterday") == -1);
}

TEST_CASE("no text drives the terminal") {
  CHECK(printable("a\x1b[2Jb\r\x7f") == "a\\x1b[2Jb\\x0d\\x7f");
  CHECK(printable("tab\tand \xc3\xa9") == "tab\tand \xc3\xa9");
  // C1 in UTF-8: CSI, and the ends of the range.
  CHECK(printable("\xc2\x9b"
                  "2J\xc2\x80\xc2\x9f\xc2\xa0\xc2") == "\\x9b2J\\x80\\x9f\xc2\xa0\xc2");
  CHECK(last_lines("1\n2\r\n3\n", 2) == "2\n3\n");
  CHECK(last_lines("", 2) == "");
  CHECK(last_lines(std::string(1000, 'x'), 1).size() == 401);
}

TEST_CASE("the detach keys are found wherever the reads cut them") {
  bool detached = false;
  DetachKeys keys;
  CHECK(keys.filter("ab\x10", detached) == "ab");
  CHECK_FALSE(detached);
  CHECK(keys.filter("c", detached) ==
        "\x10"
        "c");
  CHECK(keys.filter("\x10\x10", detached) == "\x10");
  CHECK_FALSE(detached);
  CHECK(keys.filter("\x11more", detached) == "");
  CHECK(detached);
}

TEST_CASE("lines come whole however they arrive") {
  LineReader lines;
  CHECK(lines.add("a").empty());
  CHECK(lines.add("b\nc\n\nd") == std::vector<std::string>{"ab", "c", ""});
  CHECK(lines.add("\n") == std::vector<std::string>{"d"});
}

TEST_CASE("no character is split between two pieces of output") {
  CharacterCutter cutter;
  CHECK(cutter.add("a\xe2\x82") == "a");
  CHECK(cutter.add("\xac!") == "\xe2\x82\xac!");
  CHECK(cutter.add("\xf0\x9f\x98") == "");
  CHECK(cutter.add("\x80") == "\xf0\x9f\x98\x80");
  CHECK(cutter.add("\xff\x80") == "\xff\x80");  // no character at all: passed on to be replaced
}
