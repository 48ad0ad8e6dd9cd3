// neighbours_test.cpp - which other VMs a run is told of.
#include "launcher/run/neighbours.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "launcher/state/reservation.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"
#include "vmspec/plan/vm_spec.hpp"

using namespace agentvm;
using agentvm::test::has;
using commands::neighbours_note;
using test::Scratch;

namespace {

struct Neighbourhood {
  Scratch scratch;
  std::vector<state::Reservation> living;

  void vm(const std::string& name, const std::string& workspace, bool alive = true) {
    auto reservation = state::reserve(scratch.roots(), name);
    REQUIRE(reservation);
    vmspec::VmSpec spec;
    spec.name = name;
    spec.workspace = workspace;
    write_file_atomic(reservation->paths.spec(), vmspec::to_json(spec).dump());
    if (alive) living.push_back(std::move(*reservation));
  }
  std::string note(const std::string& workspace) const {
    return neighbours_note(scratch.roots(), HeldDirectory::resolve(workspace)).value_or("");
  }
};

}  // namespace

TEST_CASE("a living VM on the same files is named and no other") {
  Neighbourhood world;
  const std::string app = world.scratch.directory("app");
  const std::string sub = world.scratch.directory("app/sub");
  const std::string other = world.scratch.directory("app2");
  CHECK(world.note(app).empty());
  world.vm("dead", app, false);
  world.vm("elsewhere", other);
  CHECK(world.note(app).empty());
  world.vm("one", app);
  CHECK(has(world.note(app), "Another VM works on these files already (one), and neither file locks"));
  CHECK(has(world.note(app), "`agentvm stop one`"));
  CHECK(has(world.note(sub), "(one on " + app + ")"));
  world.vm("two", sub);
  CHECK(has(world.note(app), "Other VMs work on these files already (one, two on " + sub + ")"));
  CHECK_FALSE(has(world.note(other), app));
  CHECK(has(world.note(other), "(elsewhere)"));
}
