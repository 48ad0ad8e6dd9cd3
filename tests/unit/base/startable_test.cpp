// startable_test.cpp - programs in, above and through directories that others write.
#include "base/startable.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/process.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;

TEST_CASE("nothing in - above or through a directory that guests write is started") {
  const Scratch scratch;
  const std::string place = scratch.directory("work");
  const std::string inside = scratch.write("work/.venv/bin/tool", "#!/bin/sh\ntouch " + scratch / "started", 0755);
  const std::string above = scratch.write("tool", "#!/bin/sh\n", 0755);
  const std::string beside = scratch.write("bin/tool", "#!/bin/sh\n", 0755);
  const std::string alike = scratch.write("work-2/tool", "#!/bin/sh\n", 0755);
  scratch.directory("links");
  // Through the directory and out again: the guest decides where to.
  REQUIRE(symlink((scratch / "bin").c_str(), (scratch / "work/out").c_str()) == 0);
  REQUIRE(symlink((scratch / "work/out/tool").c_str(), (scratch / "links/by-way").c_str()) == 0);
  REQUIRE(symlink((scratch / "work/.venv/bin/tool").c_str(), (scratch / "links/into").c_str()) == 0);
  REQUIRE(symlink((scratch / "bin/tool").c_str(), (scratch / "links/good").c_str()) == 0);
  never_start_from({place});
  CHECK(forbidden_place(inside) == place);
  CHECK(forbidden_place(above) == place);
  CHECK(forbidden_place(scratch / "links/by-way") == place);
  CHECK(forbidden_place(scratch / "links/into") == place);
  CHECK_FALSE(forbidden_place(beside));
  CHECK_FALSE(forbidden_place(alike));
  CHECK_FALSE(forbidden_place(scratch / "links/good"));
  CHECK_FALSE(forbidden_place(scratch / "nothing"));
  CHECK(place_of_others(inside) == place);
  CHECK_FALSE(place_of_others(above));  // may be read, as the user's own file

  CHECK(find_program("tool", scratch / "work/.venv/bin:" + scratch / "bin") == beside);
  CHECK_FALSE(find_program("tool", scratch / "work/.venv/bin"));
  try {
    static_cast<void>(run_captured({.program = inside}, std::chrono::seconds(5)));
    FAIL("was started");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::cannot_start);
    CHECK(std::string(error.what()).find(place) != std::string::npos);
  }
  CHECK_FALSE(test::exists(scratch / "started"));
}

TEST_CASE("a PATH loses what guests write and what is relative") {
  const Scratch scratch;
  const std::string place = scratch.directory("work");
  scratch.directory("work/bin");
  scratch.directory("bin");
  REQUIRE(symlink((scratch / "work/bin").c_str(), (scratch / "link").c_str()) == 0);
  never_start_from({place});
  CHECK(startable_path(scratch / "work/bin:/usr/bin::bin:" + scratch / "link:" + scratch / "work/not-yet:" +
                       scratch / "bin") == "/usr/bin:" + scratch / "bin");
}
