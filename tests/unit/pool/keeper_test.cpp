// keeper_test.cpp - a pooled VM's life on fakes: booted for nobody, given away once, and gone with whoever has it.
#include "launcher/pool/keeper.hpp"

#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "tests/fakes/fake_clock.hpp"
#include "tests/fakes/fake_parts.hpp"
#include "tests/unit/state/scratch.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

struct KeptVm {
  test::Scratch scratch;
  asio::io_context io{1};
  FakeClock clock{io.get_executor()};
  test::FakeHost host{io.get_executor()};
  test::FakeParts parts{host};
  vmspec::VmSpec spec;
  state::VmPaths paths;
  std::optional<state::Record> record;
  std::optional<LineSocket> poold;
  UniqueFd guard_ours, guard_theirs;
  std::optional<Keeper> keeper;
  std::optional<int> code;

  KeptVm() {
    spec.name = "pool-rust-012345";
    spec.uuid = "6f7c1c46-9be1-4b0a-b0a6-26c4ef5a3f41";
    spec.boot_timeout_ms = 60'000;
    spec.shares = {{vmspec::system_tag, "/usr", "/usr", true, vmspec::ShareOwner::root}};
    paths = state::vm_paths(scratch.roots(), spec.name);
    make_directories(paths.runtime_dir);
    make_directories(paths.state_dir);
    record.emplace(paths, spec.name, spec.uuid);
    auto [ours, theirs] = socket_pair();
    poold.emplace(std::move(ours));
    std::tie(guard_ours, guard_theirs) = socket_pair();
    keeper.emplace(io.get_executor(), spec, paths, *record, parts, clock, std::move(theirs),
                   listen_unix(paths.keeper_socket()), guard_ours.get());
    asio::co_spawn(io, keeper->live(), [this](const std::exception_ptr& error, int value) {
      CHECK_FALSE(error);
      code = value;
    });
    turn();
  }
  ~KeptVm() {
    if (!code) guard_theirs.reset();
    for (int round = 0; round < 5 && !code; ++round) advance(1s);
    CHECK(code);
    CHECK(host.nothing_left());
    host.guest.leave();
    turn();
  }
  KeptVm(const KeptVm&) = delete;
  KeptVm& operator=(const KeptVm&) = delete;

  void turn() {
    io.restart();
    io.poll();
  }
  void advance(std::chrono::milliseconds time) {
    clock.advance(time);
    turn();
  }
  std::optional<Message> next(LineSocket& socket) {
    auto result = std::make_shared<std::optional<Message>>();
    asio::co_spawn(io, socket.read(), [result](const std::exception_ptr& error, std::optional<Message> message) {
      if (!error) *result = std::move(message);
    });
    turn();
    return std::move(*result);
  }
  /// What poold hears of it last.
  std::string phase() {
    std::string last;
    while (auto message = next(*poold)) {
      last = message->name == "state" ? message->body.at("phase").get<std::string>()
                                      : message->name + ": " + message->body.at("sentence").get<std::string>();
      if (last == "idle" || last == "claimed" || last.starts_with("failed")) return last;
    }
    return last;
  }
  /// A caller who has the VM.
  std::unique_ptr<LineSocket> claim(unsigned listeners = 2) {
    auto [ours, theirs] = socket_pair();
    poold->write("claim", {{"listeners", listeners}}, {theirs.get()});
    theirs.reset();
    turn();
    // Its links are dropped, and it comes to new ones.
    host.guest.leave();
    host.guest.arrive();
    turn();
    return std::make_unique<LineSocket>(std::move(ours));
  }
  std::string ask(LineSocket& caller, const std::string& name, const nlohmann::json& body) {
    caller.write(name, body);
    turn();
    const auto answer = next(caller);
    return !answer ? "end" : answer->name == "failed" ? answer->body.at("sentence").get<std::string>() : answer->name;
  }
};

}  // namespace

TEST_SUITE("pool/keeper") {
  TEST_CASE("a VM is booted with the system's shares alone and waits") {
    KeptVm vm;
    CHECK(vm.phase() == "idle");
    REQUIRE_FALSE(vm.host.guest.setups.empty());
    const auto& setup = vm.host.guest.setups.front();
    CHECK(setup.at("mounts").size() == 1);
    CHECK(setup.at("hostname") == "");
    CHECK(setup.at("files").empty());
    CHECK(vm.host.shares_running == 1);
    CHECK(vm.host.leases == 0);
    CHECK(vm.record->state().phase == "pooled");
  }

  TEST_CASE("it is given away with its links and sockets and then does what its caller asks") {
    KeptVm vm;
    REQUIRE(vm.phase() == "idle");
    const auto caller = vm.claim();
    CHECK(vm.phase() == "claimed");
    const auto claimed = vm.next(*caller);
    REQUIRE(claimed);
    CHECK(claimed->name == "claimed");
    CHECK(claimed->fds.size() == 4);
    CHECK(claimed_from_json(claimed->body).spec.name == vm.spec.name);
    CHECK(vm.ask(*caller, "plug", {{"listener", 1}, {"tag", "workspace"}}) == "done");
    CHECK(vm.host.calls.back() == "add_share workspace " + vm.paths.share_socket(2));
    CHECK(vm.ask(*caller, "plug", {{"listener", 2}, {"tag", "more"}}) == "there is no such listener");
    CHECK(vm.ask(*caller, "plug", {{"listener", "x"}}) ==
          "a message of the pool: \"listener\" must be a number up to 16");
    CHECK(vm.ask(*caller, "unplug", nlohmann::json::array()) == "a message of the pool: \"tag\" is missing");
    CHECK(vm.ask(*caller, "pause", {}) == "done");
    CHECK(vm.ask(*caller, "resume", {}) == "done");
    CHECK(vm.ask(*caller, "unplug", {{"tag", "workspace"}}) == "done");
    CHECK(vm.ask(*caller, "dance", {}) == "a caller asked for \"dance\"");
    // Nobody else gets it.
    auto [ours, theirs] = socket_pair();
    vm.poold->write("claim", {{"listeners", 0}}, {theirs.get()});
    vm.turn();
    CHECK(vm.phase() == "failed: the VM is claimed");
  }

  TEST_CASE("it goes with its caller and whoever started it") {
    KeptVm vm;
    REQUIRE(vm.phase() == "idle");
    SUBCASE("the caller lets it go") {
      auto caller = vm.claim();
      REQUIRE(vm.phase() == "claimed");
      vm.poold.reset();  // a poold that is gone changes nothing for a caller
      vm.advance(2min);
      REQUIRE_FALSE(vm.code);
      caller.reset();
    }
    SUBCASE("it is not wanted any more") {
      vm.poold->write("retire", nlohmann::json::object());
    }
    SUBCASE("no poold comes") {
      vm.poold.reset();
      vm.turn();
      for (int second = 0; second < 59; ++second) vm.advance(1s);
      REQUIRE_FALSE(vm.code);
      vm.advance(1s);
    }
    vm.turn();
    REQUIRE(vm.code);
    CHECK(*vm.code == 0);
    CHECK(vm.host.calls.back() == "kill");
  }

  TEST_CASE("a caller is told how its VM has ended") {
    KeptVm vm;
    REQUIRE(vm.phase() == "idle");
    const auto caller = vm.claim(0);
    REQUIRE(vm.next(*caller));
    vm.host.end_vm(hypervisor::End::crashed);
    vm.turn();
    const auto ended = vm.next(*caller);
    REQUIRE(ended);
    CHECK(ended->name == "ended");
    CHECK(ended_from_json(ended->body).how == "crashed");
    CHECK(ended_from_json(ended->body).words == "the guest crashed");
  }

  TEST_CASE("a VM whose guest does not answer is not given away") {
    KeptVm vm;
    REQUIRE(vm.phase() == "idle");
    auto [ours, theirs] = socket_pair();
    vm.host.guest.leave();  // its links are broken, and nobody has noticed
    vm.poold->write("claim", {{"listeners", 0}}, {theirs.get()});
    vm.turn();
    for (int second = 0; second < 5 && !vm.code; ++second) vm.advance(1s);
    REQUIRE(vm.code);
    CHECK(*vm.code == 1);
  }

  TEST_CASE("a poold that comes later is told what there is") {
    KeptVm vm;
    REQUIRE(vm.phase() == "idle");
    vm.poold.emplace(connect_unix(vm.paths.keeper_socket()));
    vm.turn();
    CHECK(vm.phase() == "idle");
    const auto caller = vm.claim(0);
    CHECK(vm.phase() == "claimed");
  }
}

}  // namespace agentvm::pool
