// terminal_modes_test.cpp - what a program left on is undone, and nothing else.
#include "launcher/terminal/terminal_modes.hpp"

#include <doctest/doctest.h>

using agentvm::commands::TerminalModes;

namespace {

std::string undone(const std::string& output) {
  TerminalModes modes;
  for (const char c : output) modes.watch({&c, 1});  // however it is cut
  return modes.undo();
}

}  // namespace

TEST_CASE("a terminal that is as it was is left alone") {
  CHECK(undone("") == "");
  CHECK(undone("plain\r\n\x1b[2J\x1b[H\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[?25l\x1b[?25h") == "");
  CHECK(undone("\x1b[?1049h\x1b[?1000;1006h...\x1b[?1006;1000l\x1b[?1049l") == "");
  CHECK(undone("\x1b[>1u\x1b[<u") == "");
  CHECK(undone("\x1b[?1049h\x1b[?2004h\x1b"
               "c") == "");
}

TEST_CASE("what is on is undone and the screen is left last") {
  // As Codex's screen begins.
  CHECK(undone("\x1b[?2004h\x1b[>7u\x1b[?1004h\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[1 q\x1b[?1006h") ==
        "\x1b[<1u\x1b[?1000l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[0 q");
  CHECK(undone("\x1b[?1h\x1b=\x1b[?7l\x1b[3;9r\x1b[1m\x1b(0\x1b[4h\x1b[>4;2m") ==
        "\x1b[>4;0m\x1b[r\x1b[?1l\x1b[?7h\x1b[4l\x1b>\x0f\x1b(B\x1b[0m");
}

TEST_CASE("a sequence that was broken off is ended first") {
  CHECK(undone("\x1b[?1049h\x1b]0;half") == "\x1b\\\x1b[?1049l");
  CHECK(undone("\x1b[?10") == "\x1b\\");
}

TEST_CASE("whatever comes little is kept") {
  TerminalModes modes;
  modes.watch("\x1b[" + std::string(1'000'000, '9') + "h");
  for (int i = 0; i < 10'000; ++i) modes.watch("\x1b[>1u\x1b[?" + std::to_string(i) + "h");
  CHECK(modes.undo().size() < 400);
}
