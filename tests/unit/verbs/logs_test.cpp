// logs_test.cpp - agentvm logs: what a guest wrote does not drive the reader's terminal.
#include <doctest/doctest.h>

#include "base/file.hpp"
#include "launcher/verbs/verbs.hpp"
#include "tests/unit/terminal/captured_streams.hpp"

using namespace agentvm;
using test::CapturedStreams;
using test::Scratch;

TEST_CASE("logs of what a guest can write to come without sequences and the agent's own output as it is") {
  const Scratch scratch;
  commands::Context context;
  context.roots = scratch.roots();
  const std::string hostile =
      "boot\x1b]52;c;ZXZpbA==\x07 \x1b[2Jok \xc2\x9b"
      "1mx \xe2\x80\xae\r\n";
  make_directories(state::vm_paths(scratch.roots(), "vm").state_dir);
  for (const char* source : {"console", "vmm", "virtiofsd", "supervisor", "agent", "events"}) {
    CAPTURE(source);
    const auto paths = state::vm_paths(scratch.roots(), "vm");
    const bool journal = std::string(source) == "events";
    write_file_atomic(journal ? paths.journal(source) : paths.log(source), hostile);
    CapturedStreams streams;
    const int code = commands::logs({.name = "vm", .source = source}, context);
    streams.restore();
    CHECK(code == 0);
    const bool data = journal || std::string(source) == "agent";
    CHECK(streams.out() == (data ? hostile : "boot ok x \\u{202e}\n"));
  }
}
