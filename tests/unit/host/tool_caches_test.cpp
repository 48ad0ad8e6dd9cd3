// tool_caches_test.cpp - what root has set up serves everybody, as long as it is root's alone.
#include "launcher/host/tool_caches.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "launcher/host/programs.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;
using test::Variable;

TEST_CASE("the machine's cache comes after the caller's") {
  if (geteuid() != 0) {
    MESSAGE("skipped: making what belongs to root takes root");
    return;
  }
  const Scratch scratch;
  const std::string own = scratch / "own";
  const std::string machine = scratch / "machine";
  const Variable path("PATH", "/nonexistent");
  const Variable named("AGENTVM_MACHINE_CACHE", machine.c_str());
  CHECK_FALSE(host::find_tool("no-such-tool", own));
  const std::string shared = scratch.write("machine/tools/bin/no-such-tool", "#!/bin/sh\n", 0755);
  CHECK(host::tool_caches(own) == std::vector{own, machine});
  CHECK(host::find_tool("no-such-tool", own) == shared);
  const std::string mine = scratch.write("own/tools/bin/no-such-tool", "#!/bin/sh\n", 0755);
  CHECK(host::find_tool("no-such-tool", own) == mine);
  CHECK(host::tool_caches(machine) == std::vector{machine});

  SUBCASE("not when others may write to it") {
    REQUIRE(chmod(machine.c_str(), 0777) == 0);
    CHECK(host::tool_caches(own) == std::vector{own});
  }
  SUBCASE("not when it is another user's") {
    REQUIRE(chown(machine.c_str(), 45219, 45219) == 0);
    CHECK(host::tool_caches(own) == std::vector{own});
  }
  SUBCASE("not behind a link") {
    const std::string link = scratch / "link";
    REQUIRE(symlink(machine.c_str(), link.c_str()) == 0);
    const Variable linked("AGENTVM_MACHINE_CACHE", link.c_str());
    CHECK(host::tool_caches(own) == std::vector{own});
  }
}
