// workspace_check_test.cpp - what may be handed to a guest.
#include "launcher/run/workspace_check.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using agentvm::test::has;
using test::Scratch;
using test::Variable;

namespace {

std::string refusal(const std::string& path, const state::Roots& roots) {
  try {
    commands::check_workspace(path, roots);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    return error.what();
  }
  FAIL("was taken: " << path);
  return {};
}

}  // namespace

TEST_CASE("a directory is taken by its real path") {
  const Scratch scratch;
  const Variable home("HOME", "/nonexistent");
  scratch.directory("project");
  REQUIRE(symlink("project", (scratch / "link").c_str()) == 0);
  CHECK(commands::check_workspace(scratch / "link/", scratch.roots()) == scratch / "project");
}

TEST_CASE("what is no workspace is refused in one sentence") {
  const Scratch scratch;
  const Variable home("HOME", (scratch / "home/me").c_str());
  scratch.directory("home/me/project");
  CHECK(has(refusal(scratch / "missing", scratch.roots()), "does not exist"));
  CHECK(has(refusal("", scratch.roots()), "does not exist"));
  CHECK(has(refusal(scratch.write("file", "x"), scratch.roots()), "is not a directory"));
  CHECK(has(refusal("/", scratch.roots()), "system directory"));
  CHECK(has(refusal("/usr/../etc", scratch.roots()), "system directory"));
  CHECK(has(refusal("/proc/self", scratch.roots()), "belongs to the kernel"));
  CHECK(has(refusal(scratch / "home/me", scratch.roots()), "is your home"));
  CHECK(has(refusal(scratch / "home", scratch.roots()), "contains your home"));
  CHECK(commands::check_workspace(scratch / "home/me/project", scratch.roots()) == scratch / "home/me/project");
}

TEST_CASE("agentvm's own directories are no workspace, and none lies in one") {
  const Scratch scratch;
  const Variable home("HOME", "/nonexistent");
  const state::Roots roots = scratch.roots();
  scratch.directory("state/agentvm/vms/x");
  CHECK(has(refusal(scratch / "state/agentvm/vms/x", roots), "agentvm keeps its own files"));
  CHECK(has(refusal(scratch / "state", roots), "agentvm keeps its own files"));
  scratch.directory("run");  // the agentvm below it is not made yet
  CHECK(has(refusal(scratch / "run", roots), "agentvm keeps its own files"));
}

TEST_CASE("a directory that cannot be read is refused") {
  if (geteuid() == 0) {
    MESSAGE("skipped: root reads everything");
    return;
  }
  const Scratch scratch;
  scratch.directory("closed");
  chmod((scratch / "closed").c_str(), 0);
  CHECK(has(refusal(scratch / "closed", scratch.roots()), "is not readable"));
}
