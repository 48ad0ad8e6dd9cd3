// reaper_test.cpp - the reaper ends what it watches when its supervisor dies, and nothing after a goodbye.
#include "launcher/machine/reaper.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "base/file.hpp"
#include "tests/unit/places.hpp"

using namespace agentvm;
using namespace std::chrono_literals;

namespace {

/// A stand-in for agentvm that notes how it was called.
struct NotingProgram {
  std::string directory = "/tmp/agentvm-reaper-XXXXXX";
  NotingProgram() {
    REQUIRE(mkdtemp(directory.data()) != nullptr);
    write_file_atomic(
        path(), "#!/bin/sh\necho \"$@\" > " + directory + "/note.tmp\nmv " + directory + "/note.tmp " + note() + "\n",
        0755);
  }
  ~NotingProgram() { remove_tree(directory); }
  std::string path() const { return directory + "/agentvm"; }
  std::string note() const { return directory + "/note"; }
};

const std::string reaper_program = std::string(test::program_directory) + "/agentvm-reaper";

}  // namespace

TEST_SUITE("machine/reaper") {
  TEST_CASE("a killed supervisor's processes are killed and then gc is run for its VM") {
    const NotingProgram agentvm;
    ChildProcess victim = spawn({.program = "sleep", .args = {"60"}, .die_with_parent = false});
    const pid_t supervisor = fork();
    if (supervisor == 0) {
      machine::Reaper reaper(reaper_program, agentvm.path(), "some-vm");
      reaper.watch(victim.pid());
      kill(getpid(), SIGKILL);
    }
    REQUIRE(supervisor > 0);
    int status = 0;
    REQUIRE(waitpid(supervisor, &status, 0) == supervisor);
    const auto ended = victim.wait(5s);
    REQUIRE(ended.has_value());
    CHECK(ended->signal == SIGKILL);
    std::optional<std::string> note;
    for (int tries = 0; tries < 500 && !note; ++tries) {
      note = read_file_if_exists(agentvm.note());
      if (!note) usleep(10000);
    }
    CHECK(note == "gc --vm some-vm --quiet\n");
  }

  TEST_CASE("after a goodbye nothing is touched") {
    const NotingProgram agentvm;
    ChildProcess neighbour = spawn({.program = "sleep", .args = {"60"}});
    {
      machine::Reaper reaper(reaper_program, agentvm.path(), "some-vm");
      reaper.watch(neighbour.pid());
      reaper.dismiss();
    }
    CHECK_FALSE(neighbour.wait(100ms).has_value());
    CHECK_FALSE(read_file_if_exists(agentvm.note()).has_value());
  }
}
