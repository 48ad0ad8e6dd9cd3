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
  CHECK(commands::check_workspace(scratch / "link/", scratch.roots()).path() == scratch / "project");
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
  CHECK(commands::check_workspace(scratch / "home/me/project", scratch.roots()).path() == scratch / "home/me/project");
}

TEST_CASE("agentvm's own directories are no workspace and none lies in one") {
  const Scratch scratch;
  const Variable home("HOME", "/nonexistent");
  const state::Roots roots = scratch.roots();
  scratch.directory("state/agentvm/vms/x");
  CHECK(has(refusal(scratch / "state/agentvm/vms/x", roots), "agentvm keeps its own files"));
  CHECK(has(refusal(scratch / "state", roots), "agentvm keeps its own files"));
  scratch.directory("run");  // the agentvm below it is not made yet
  CHECK(has(refusal(scratch / "run", roots), "agentvm keeps its own files"));
}

TEST_CASE("what decides about later runs on the host is no workspace") {
  const Scratch scratch;
  const Variable home("HOME", "/nonexistent");
  const Variable config("XDG_CONFIG_HOME", (scratch / "config").c_str());
  const state::Roots roots = scratch.roots();
  scratch.directory("state");
  scratch.directory("project");
  SUBCASE("the profiles' own directory - above it and below it") {
    scratch.directory("config/agentvm/profiles/below");
    for (const char* path : {"config", "config/agentvm", "config/agentvm/profiles", "config/agentvm/profiles/below"}) {
      CAPTURE(path);
      CHECK(has(refusal(scratch / path, roots), "decides about the profiles"));
    }
  }
  SUBCASE("where they would be - if there were any") {
    scratch.directory("config");
    CHECK(has(refusal(scratch / "config", roots), "decides about the profiles"));
  }
  SUBCASE("a repository of configuration that ~/.config/agentvm is a link to") {
    scratch.directory("dotfiles/agentvm/profiles");
    scratch.directory("config");
    REQUIRE(symlink((scratch / "dotfiles/agentvm").c_str(), (scratch / "config/agentvm").c_str()) == 0);
    CHECK(has(refusal(scratch / "dotfiles", roots), "decides about the profiles"));
    CHECK(has(refusal(scratch / "dotfiles/agentvm/profiles", roots), "decides about the profiles"));
  }
  SUBCASE("one profile that is a link or leads through one") {
    scratch.write("dotfiles/team.toml", "");
    scratch.directory("config/agentvm/profiles");
    scratch.directory("by-way");
    scratch.write("elsewhere/team.toml", "");
    REQUIRE(symlink((scratch / "dotfiles/team.toml").c_str(), (scratch / "config/agentvm/profiles/a.toml").c_str()) ==
            0);
    REQUIRE(symlink((scratch / "elsewhere/team.toml").c_str(), (scratch / "by-way/team.toml").c_str()) == 0);
    REQUIRE(symlink((scratch / "by-way/team.toml").c_str(), (scratch / "config/agentvm/profiles/b.toml").c_str()) == 0);
    CHECK(has(refusal(scratch / "dotfiles", roots), "decides about the profiles"));
    CHECK(has(refusal(scratch / "by-way", roots), "decides about the profiles"));
    CHECK(has(refusal(scratch / "elsewhere", roots), "decides about the profiles"));
  }
  SUBCASE("agentvm's own programs - by a link too") {
    const std::string reaper = scratch.write("built/bin/agentvm-reaper", "#!/bin/sh\n", 0755);
    const Variable variable("AGENTVM_REAPER", reaper.c_str());
    CHECK(has(refusal(scratch / "built", roots), "agentvm's own program " + reaper));
    const std::string real = scratch.write("real/agentvm-reaper", "#!/bin/sh\n", 0755);
    unlink(reaper.c_str());
    REQUIRE(symlink(real.c_str(), reaper.c_str()) == 0);
    CHECK(has(refusal(scratch / "built", roots), "agentvm's own program"));
    CHECK(has(refusal(scratch / "real", roots), "agentvm's own program"));
  }
  SUBCASE("the state by a link") {
    scratch.directory("disk/agentvm");
    REQUIRE(symlink((scratch / "disk/agentvm").c_str(), (scratch / "state/agentvm").c_str()) == 0);
    CHECK(has(refusal(scratch / "disk", roots), "agentvm keeps its own files"));
    CHECK(has(refusal(scratch / "state", roots), "agentvm keeps its own files"));
  }
  CHECK_NOTHROW(commands::check_workspace(scratch / "project", roots));
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
