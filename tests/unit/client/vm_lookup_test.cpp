// vm_lookup_test.cpp - from what was typed to a VM.
#include "launcher/client/vm_lookup.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/run/start.hpp"
#include "launcher/state/reservation.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using agentvm::test::has;
using test::Scratch;

namespace {

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  FAIL("was taken");
  return {};
}

void make_vm(const Scratch& scratch, const std::string& name, const std::string& workspace) {
  const state::VmPaths paths = state::vm_paths(scratch.roots(), name);
  make_directories(paths.state_dir);
  vmspec::VmSpec spec;
  spec.name = name;
  spec.workspace = workspace;
  write_file_atomic(paths.spec(), vmspec::to_json(spec).dump());
}

}  // namespace

TEST_CASE("a name that is not there is met with the nearest") {
  const Scratch scratch;
  make_vm(scratch, "my-app", "/w");
  CHECK(commands::require_vm(scratch.roots(), "my-app").name == "my-app");
  CHECK(has(refusal([&] { commands::require_vm(scratch.roots(), "my-ap"); }), "Did you mean 'my-app'?"));
  CHECK(has(refusal([&] { commands::require_vm(scratch.roots(), "../../etc"); }), "there is no VM named"));
}

TEST_CASE("without a name it is the directory's VM or the only one") {
  const Scratch scratch;
  const state::Roots roots = scratch.roots();
  CHECK(has(refusal([&] { commands::implied_vm(roots); }), "there are no VMs"));
  make_vm(scratch, "elsewhere", "/w");
  CHECK(commands::implied_vm(roots).name == "elsewhere");
  make_vm(scratch, "here", host::real_path("."));
  CHECK(commands::implied_vm(roots).name == "here");
  make_vm(scratch, "here-2", host::real_path("."));
  CHECK(has(refusal([&] { commands::implied_vm(roots); }), "here, here-2"));
}

TEST_CASE("a VM is starting or in its phase or kept or dead") {
  const Scratch scratch;
  const state::Roots roots = scratch.roots();
  auto reserved = state::reserve(roots, "app");
  REQUIRE(reserved);
  const state::VmPaths paths = reserved->paths;
  CHECK(commands::vm_condition(paths, state::read_state(paths)) == "starting");
  state::VmState record;
  record.name = "app";
  record.phase = "running";
  state::write_state(paths, record);
  CHECK(commands::vm_condition(paths, state::read_state(paths)) == "running");
  CHECK(has(refusal([&] { commands::choose_name(roots, "app", "/w"); }), "is running"));
  reserved.reset();
  CHECK(commands::vm_condition(paths, state::read_state(paths)) == "dead");
  record.phase = "stopped";
  state::write_state(paths, record);
  CHECK(commands::is_kept(paths));
  commands::sweep_dead(roots);
  CHECK(has(refusal([&] { commands::choose_name(roots, "app", "/w"); }), "logs are kept"));
  CHECK(commands::choose_name(roots, "", "/x/app") == "app-2");
  record.phase = "running";
  state::write_state(paths, record);
  commands::sweep_dead(roots);
  CHECK(commands::choose_name(roots, "", "/x/app") == "app");
}
