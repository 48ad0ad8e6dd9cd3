// vm_state_test.cpp - the record of a VM, and mountinfo.
#include <doctest/doctest.h>
#include <unistd.h>

#include "launcher/state/mounts.hpp"
#include "launcher/state/vm_directory.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;

TEST_CASE("state.json comes back as it was written") {
  const Scratch scratch;
  const state::VmPaths paths = state::vm_paths(scratch.roots(), "app");
  make_directories(paths.state_dir);
  state::VmState written;
  written.name = "app";
  written.uuid = "9d9c7f0e-8a54-4c8e-9a27-7f6f3c1f0b11";
  written.phase = "running";
  written.started = "2026-01-31T12:00:00Z";
  written.exit_code = 3;
  written.processes = {{"supervisor", getpid(), state::process_start_time(getpid())}, {"vmm", 77, 12345678901234}};
  state::write_state(paths, written);
  const auto read = state::read_state(paths);
  REQUIRE(read);
  CHECK(read->uuid == written.uuid);
  CHECK(read->phase == "running");
  CHECK(read->exit_code == 3);
  REQUIRE(read->processes.size() == 2);
  CHECK(read->processes[1].start_time == 12345678901234);
}

TEST_CASE("what is no state is none") {
  const Scratch scratch;
  const state::VmPaths paths = state::vm_paths(scratch.roots(), "app");
  CHECK_FALSE(state::read_state(paths));
  make_directories(paths.state_dir);
  for (const char* text : {"", "{", "[]", R"({"name":1})", R"({"name":"a","uuid":"b","phase":"c","processes":[{}]})"}) {
    write_file_atomic(paths.state(), text);
    CHECK_FALSE(state::read_state(paths));
  }
}

TEST_CASE("a process is told from a later one with its number by its start") {
  CHECK(state::process_start_time(getpid()) > 0);
  CHECK(state::process_start_time(getpid()) == state::process_start_time(getpid()));
  CHECK(state::process_start_time(1 << 30) == 0);
}

TEST_CASE("mounts below the directories come deepest first") {
  const char* mountinfo =
      "22 1 0:20 / / rw - ext4 /dev/vda rw\n"
      "30 22 0:30 / /run/agentvm/app/root rw shared:1 - tmpfs none rw\n"
      "31 30 0:31 / /run/agentvm/app/root/a\\040b rw - tmpfs none rw\n"
      "32 22 0:32 / /run/agentvm/application rw - tmpfs none rw\n"
      "garbage\n";
  const auto points = state::mount_points(mountinfo, {"/run/agentvm/app", "/var/lib/agentvm/vms/app"});
  CHECK(points == std::vector<std::string>{"/run/agentvm/app/root/a b", "/run/agentvm/app/root"});
}
