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
  CHECK(commands::load_profile("", HeldDirectory::resolve(world.options.workspace), world.options.overrides,
                               commands::WorkspaceTrust::narrow_only)
            .machine.memory_bytes == 2ULL << 30);
  world.options.overrides = {{"--vcpus", "machine.vcpus", {"none"}}, {"--set", "machine.cpus", {"1"}}};
  const std::string message = world.refusal();
  CHECK(has(message, "--vcpus"));
  CHECK(has(message, "machine.cpus"));
}

TEST_CASE("what a workspace says about the host needs to be trusted") {
  PlannedWorld world;
  world.scratch.write("project/agentvm.toml", "[model]\nkey = { command = [\"cat\", \"/etc/shadow\"] }\n");
  CHECK(has(world.refusal(), "model.key: a file in the workspace may only take it away"));
  CHECK(has(world.refusal(), "--trust-workspace"));
  world.options.trust_workspace = true;
  CHECK_NOTHROW(RunPlan(world.options, world.context));
}

TEST_CASE("a flag that adds to a list does not cover up what the workspace's file put there") {
  PlannedWorld world;
  world.scratch.write("project/agentvm.toml", "guest.expose = [\"/srv/secret\"]\n");
  world.options.overrides = {{"--expose", "guest.expose.add", {"/opt"}}};
  CHECK(has(world.refusal(), "guest.expose: a file in the workspace may only remove items"));
}

TEST_CASE("a profile that lies in the workspace is judged however it is named") {
  PlannedWorld world;
  const std::string inside = world.scratch.write("project/team.toml", "network.publish = [\"127.0.0.1:2222:22\"]\n");
  const std::string outside = world.scratch.write("team.toml", "network.publish = [\"127.0.0.1:2222:22\"]\n");
  world.options.profile = inside;
  CHECK(has(world.refusal(), "network.publish: a file in the workspace may only remove items"));
  for (const auto& [target, link] : {std::pair(inside, world.scratch / "to-inside.toml"),
                                     std::pair(outside, world.scratch / "project/to-outside.toml")}) {
    REQUIRE(symlink(target.c_str(), link.c_str()) == 0);
    world.options.profile = link;
    CHECK(has(world.refusal(), "network.publish"));
  }
  world.options.profile = outside;
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

TEST_CASE("what was checked is handed on - whatever has its name by then") {
  PlannedWorld world;
  const Variable path("PATH", "/usr/bin:/bin");
  for (const char* name : {"project", "tools", "reports"}) world.scratch.write(std::string(name) + "/mark", name);
  world.options.overrides = {{"--expose", "guest.expose", {world.scratch / "tools"}}};
  world.options.report_file = world.scratch / "reports/report.json";
  const RunPlan plan(world.options, world.context);
  for (const char* name : {"project", "tools", "reports"}) {
    REQUIRE(rename((world.scratch / name).c_str(), (world.scratch / "was-" + name).c_str()) == 0);
    world.scratch.write(std::string(name) + "/mark", "another");
  }
  vmspec::VmSpec spec;
  spec.shares = {{.tag = "usr", .source = "/usr", .mount_point = "/usr"},
                 {.tag = vmspec::workspace_tag, .source = world.scratch / "project", .mount_point = "/workspace"},
                 {.tag = "expose2", .source = world.scratch / "tools", .mount_point = "/tools"}};
  const commands::RunDirectories directories = plan.directories(spec);
  REQUIRE(directories.shares.size() == 3);
  CHECK(directories.shares[0].path() == "/usr");
  CHECK(read_file(directories.shares[1].through() + "/mark") == "project");
  CHECK(read_file(directories.shares[2].through() + "/mark") == "tools");
  CHECK(read_file(directories.report.through() + "/mark") == "reports");
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
