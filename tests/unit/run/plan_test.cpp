// plan_test.cpp - from the command line of `run` to its plan.
#include "launcher/run/plan.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using agentvm::test::has;
using commands::RunOptions;
using commands::RunPlan;
using test::Scratch;
using test::Variable;

namespace {

struct PlannedWorld {
  Scratch scratch;
  Variable home{"HOME", (scratch / "home").c_str()};
  Variable config{"XDG_CONFIG_HOME", (scratch / "config").c_str()};
  Variable accelerator{"AGENTVM_ACCEL", "tcg"};
  commands::Context context;
  RunOptions options;

  PlannedWorld() {
    scratch.directory("home");
    context.roots = scratch.roots();
    options.workspace = scratch.directory("project");
    options.command = true;
    options.arguments = {"true"};
  }
  std::string refusal() const {
    try {
      RunPlan(options, context);
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::usage);
      return std::string(error.what()) + " | " + error.hint();
    }
    FAIL("was taken");
    return {};
  }
};

}  // namespace

TEST_CASE("all mistakes of a workspace's profile are said at once with their places") {
  PlannedWorld world;
  const std::string file =
      world.scratch.write("project/agentvm.toml", "[machine]\nvcpu = 2\nmemory = \"lots\"\n[netwrok]\n");
  const std::string message = world.refusal();
  CHECK(has(message, file + ":2:"));
  CHECK(has(message, "vcpus"));
  CHECK(has(message, file + ":3:"));
  CHECK(has(message, file + ":4:"));
  CHECK(has(message, "network"));
}

TEST_CASE("flags have the last word and their mistakes name them") {
  PlannedWorld world;
  world.scratch.write("project/agentvm.toml", "[machine]\nmemory = \"1GiB\"\n");
  world.options.overrides = {{"--memory", "machine.memory", {"2GiB"}}};
  CHECK(commands::load_profile("", HeldDirectory::resolve(world.options.workspace), world.options.overrides)
            .machine.memory_bytes == 2ULL << 30);
  world.options.overrides = {{"--vcpus", "machine.vcpus", {"none"}}, {"--set", "machine.cpus", {"1"}}};
  const std::string message = world.refusal();
  CHECK(has(message, "--vcpus"));
  CHECK(has(message, "machine.cpus"));
}

TEST_CASE("what a workspace says about the host needs to be trusted") {
  PlannedWorld world;
  world.scratch.write("project/agentvm.toml", "[model]\nkey = { command = [\"cat\", \"/etc/shadow\"] }\n");
  CHECK(has(world.refusal(), "model.key"));
  CHECK(has(world.refusal(), "--trust-workspace"));
  world.options.trust_workspace = true;
  CHECK_NOTHROW(RunPlan(world.options, world.context));
}

TEST_CASE("the prompt's file is read and a report's place is checked before anything starts") {
  PlannedWorld world;
  world.options.command = false;
  world.options.arguments.clear();
  world.options.prompt_file = world.scratch / "missing";
  CHECK(has(world.refusal(), "prompt cannot be read"));
  world.options.prompt_file = world.scratch.write("prompt", std::string((1 << 20) + 1, 'x'));
  CHECK(has(world.refusal(), "longer than"));
  world.options.prompt_file = world.scratch.write("prompt", "do it\n");
  world.options.report_file = world.scratch / "no/such/report.json";
  CHECK(has(world.refusal(), "no directory"));
}

TEST_CASE("a program that lies in the workspace is neither started nor planned with") {
  PlannedWorld world;
  const std::string marker = world.scratch / "started";
  for (const char* name : {"virtiofsd", "bwrap", "codex", "nix", "git", "sudo", "python3"}) {
    world.scratch.write("project/.venv/bin/" + std::string(name), "#!/bin/sh\n: > " + marker + "\necho 9.9.9\n", 0755);
  }
  const Variable path("PATH", (world.scratch / "project/.venv/bin").c_str());
  const Variable virtiofsd("AGENTVM_VIRTIOFSD", nullptr);
  const RunPlan plan(world.options, world.context);
  CHECK(std::string(getenv("PATH")).empty());
  try {
    const vmspec::VmSpec spec = plan.for_name("app");
    CHECK_FALSE(has(spec.virtiofsd, "project"));
    CHECK_FALSE(has(spec.bubblewrap, "project"));
  } catch (const Error& error) {
    CHECK(has(error.what(), "there is no"));
  }
  CHECK_FALSE(test::exists(marker));
}

TEST_CASE("a program that was named and lies in the workspace is refused with the reason") {
  PlannedWorld world;
  const std::string ours = world.scratch.write("project/virtiofsd", "#!/bin/sh\necho virtiofsd 1.14.0\n", 0755);
  const Variable virtiofsd("AGENTVM_VIRTIOFSD", ours.c_str());
  world.scratch.write("config/agentvm/profiles/keyed.toml",
                      "[model]\nkey = { command = [\"" + world.scratch / "project/key.sh" + "\"] }\n");
  world.scratch.write("project/key.sh", "#!/bin/sh\n", 0755);
  world.options.profile = "keyed";
  const Variable path("PATH", "/usr/bin:/bin");
  const RunPlan plan(world.options, world.context);
  try {
    static_cast<void>(plan.for_name("app"));
    FAIL("was planned");
  } catch (const Error& error) {
    CHECK(has(error.what(), ours + " is not started, because a guest may write in " + world.options.workspace));
    CHECK(has(error.what(), world.scratch / "project/key.sh is not started"));
  }
}

TEST_CASE("a profile and a module that lie in the workspace are not read as the user's own") {
  PlannedWorld world;
  const Variable path("PATH", "/usr/bin:/bin");
  world.options.profile = world.scratch.write("project/sub/own.toml", "description = \"x\"\n");
  CHECK(has(world.refusal(), "is not read: a guest may write in"));
}

TEST_CASE("a workspace that is reached through a link is named in the plan") {
  PlannedWorld world;
  const Variable path("PATH", "/usr/bin:/bin");
  REQUIRE(symlink("project", (world.scratch / "link").c_str()) == 0);
  world.options.workspace = world.scratch / "link";
  try {
    const vmspec::VmSpec spec = RunPlan(world.options, world.context).for_name("app");
    CHECK(spec.workspace == world.scratch / "project");
    CHECK(spec.notes.back() ==
          world.scratch / "link leads through a link: the workspace is " + world.scratch / "project.");
  } catch (const Error& error) {
    MESSAGE("skipped: " << error.what());
  }
}

TEST_CASE("what is missing on the host is said together and nothing was made") {
  PlannedWorld world;
  const Variable qemu("AGENTVM_QEMU", "/nonexistent/qemu");
  const Variable virtiofsd("AGENTVM_VIRTIOFSD", "/nonexistent/virtiofsd");
  const RunPlan plan(world.options, world.context);
  try {
    static_cast<void>(plan.for_name("app"));
    FAIL("was planned");
  } catch (const Error& error) {
    CHECK(has(error.what(), "QEMU"));
    CHECK(has(error.what(), "virtiofsd"));
  }
  CHECK_FALSE(test::exists(world.context.roots.state));
  CHECK_FALSE(test::exists(world.context.roots.runtime));
}
