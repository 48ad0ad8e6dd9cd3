// sweep_test.cpp - sweeping with real processes, real mounts and real locks.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/process.hpp"
#include "launcher/state/identity.hpp"
#include "launcher/state/sweep_lock.hpp"
#include "launcher/state/vm_directory.hpp"
#include "launcher/state/vm_processes.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;
using namespace std::chrono_literals;

namespace {

/// A dead VM: directories, a record, and the marker of its processes.
struct DeadVm {
  Scratch scratch;
  state::VmPaths paths = state::vm_paths(scratch.roots(), "dead");
  state::VmState record;

  DeadVm() {
    make_directories(paths.runtime_dir);
    make_directories(paths.state_dir);
    scratch.write("run/agentvm/dead/deep/er/file", "x");
    record.name = "dead";
    record.uuid = state::random_uuid();
    record.phase = "running";
    state::write_state(paths, record);
  }
  ChildProcess start(std::vector<std::string> args, bool marked) const {
    std::map<std::string, std::string> environment{{"PATH", "/usr/bin:/bin"}};
    if (marked) environment[state::instance_variable] = record.uuid;
    return spawn({.program = "/bin/sh", .args = std::move(args), .environment = environment, .new_session = true});
  }
};

bool ended(ChildProcess& child) {
  return child.wait(5s).has_value();
}

}  // namespace

TEST_CASE("a sweep ends marked processes whatever session they are in and removes everything") {
  const DeadVm vm;
  ChildProcess marked = vm.start({"-c", "exec sleep 1000"}, true);
  ChildProcess by_uuid = vm.start({"-c", "exec sleep 1000", "qemu", "-uuid", vm.record.uuid}, false);
  ChildProcess stranger = vm.start({"-c", "exec sleep 1000", "qemu", "-uuid", state::random_uuid()}, false);
  // `exec sleep` drops the words, so this one keeps its shell, and has no child to leave behind.
  ChildProcess qemu_like = vm.start({"-c", "kill -STOP $$; :", "qemu", "-uuid", vm.record.uuid, "-S"}, false);
  const state::SweepResult dry = state::sweep(vm.paths, true);
  CHECK(dry.failed.empty());
  CHECK(marked.running());
  CHECK(test::exists(vm.paths.state_dir));

  const state::SweepResult result = state::sweep(vm.paths, false);
  CHECK(result.failed.empty());
  CHECK(ended(marked));
  CHECK(ended(qemu_like));
  CHECK_FALSE(stranger.wait(0ms));
  CHECK_FALSE(test::exists(vm.paths.state_dir));
  CHECK_FALSE(test::exists(vm.paths.runtime_dir));
  CHECK(std::any_of(result.removed.begin(), result.removed.end(),
                    [](const std::string& words) { return words.find("(sleep)") != std::string::npos; }));
  CHECK(state::sweep(vm.paths, false).removed.empty());
}

TEST_CASE("a recorded process is ended only when it is still the same") {
  DeadVm vm;
  ChildProcess same = vm.start({"-c", "exec sleep 1000"}, false);
  ChildProcess reused = vm.start({"-c", "exec sleep 1000"}, false);
  vm.record.processes = {{"virtiofsd", same.pid(), state::process_start_time(same.pid())},
                         {"vmm", reused.pid(), state::process_start_time(reused.pid()) - 1},
                         {"supervisor", getpid(), state::process_start_time(getpid())}};
  state::write_state(vm.paths, vm.record);
  const state::SweepResult result = state::sweep(vm.paths, false);
  CHECK(result.failed.empty());
  CHECK(ended(same));
  CHECK_FALSE(reused.wait(0ms));
}

TEST_CASE("a dead process that nobody has waited for is not swept for ever") {
  DeadVm vm;
  ChildProcess zombie = vm.start({"-c", "exit 0"}, true);
  vm.record.processes = {{"virtiofsd", zombie.pid(), state::process_start_time(zombie.pid())}};
  state::write_state(vm.paths, vm.record);
  // Readable when it has ended; waiting would take the zombie away.
  while (state::find_processes(vm.record.uuid, vm.record.processes).size() > 0) std::this_thread::yield();
  CHECK(state::sweep(vm.paths, false).failed.empty());
}

TEST_CASE("processes that are born while the sweep runs are found too") {
  const DeadVm vm;
  // Each round of it lives a moment and leaves one more.
  ChildProcess breeder =
      vm.start({"-c", "for i in 1 2 3 4 5 6 7 8; do setsid sleep 1000 & done; exec sleep 1000"}, true);
  CHECK(state::sweep(vm.paths, false).failed.empty());
  CHECK(ended(breeder));
  CHECK(state::find_processes(vm.record.uuid, {}).empty());
}

TEST_CASE("a living VM is never touched") {
  const DeadVm vm;
  const auto lock = FileLock::try_acquire(vm.paths.lock());
  REQUIRE(lock);
  ChildProcess child = vm.start({"-c", "exec sleep 1000"}, true);
  CHECK(state::is_alive(vm.paths));
  CHECK(state::sweep(vm.paths, false).removed.empty());
  CHECK(state::sweep(vm.paths, true).removed.empty());
  CHECK_FALSE(child.wait(0ms));
  CHECK(test::exists(vm.paths.state_dir));
}

TEST_CASE("without a state the spec's uuid is enough") {
  const DeadVm vm;
  write_file_atomic(vm.paths.spec(), "{\"uuid\":\"" + vm.record.uuid + "\"}");
  unlink(vm.paths.state().c_str());
  ChildProcess child = vm.start({"-c", "exec sleep 1000"}, true);
  CHECK(state::sweep(vm.paths, false).failed.empty());
  CHECK(ended(child));
}

TEST_CASE("a sweep in progress is no living VM and a second one waits for it") {
  const DeadVm vm;
  std::optional<FileLock> lock;
  REQUIRE(state::claim_for_sweep(vm.paths, 0ms, lock) == state::SweepClaim::ours);
  CHECK(FileLock::is_held(vm.paths.lock()));
  CHECK_FALSE(state::is_alive(vm.paths));
  std::optional<FileLock> second;
  CHECK(state::claim_for_sweep(vm.paths, 1ms, second) == state::SweepClaim::swept_by_another);
  std::thread first([&] {
    std::this_thread::sleep_for(20ms);
    remove_tree(vm.paths.state_dir);
    lock.reset();
  });
  CHECK(state::claim_for_sweep(vm.paths, 5s, second) == state::SweepClaim::ours);
  first.join();
}

TEST_CASE("two sweeps at once leave nothing and fail nowhere") {
  const DeadVm vm;
  state::SweepResult a, b;
  std::thread first([&] { a = state::sweep(vm.paths, false); });
  b = state::sweep(vm.paths, false);
  first.join();
  CHECK(a.failed.empty());
  CHECK(b.failed.empty());
  CHECK_FALSE(test::exists(vm.paths.state_dir));
  CHECK_FALSE(test::exists(vm.paths.runtime_dir));
}

TEST_CASE("mounts below a VM's directories go before they are removed") {
  if (geteuid() != 0) {
    MESSAGE("skipped: mounting takes root");
    return;
  }
  const DeadVm vm;
  const std::string point = vm.scratch.directory("run/agentvm/dead/mounted");
  if (mount("none", point.c_str(), "tmpfs", 0, "size=64k") < 0) {
    MESSAGE("skipped: this container may not mount");
    return;
  }
  vm.scratch.write("run/agentvm/dead/mounted/file", "x");
  const state::SweepResult result = state::sweep(vm.paths, false);
  CHECK(result.failed.empty());
  CHECK_FALSE(test::exists(vm.paths.runtime_dir));
}
