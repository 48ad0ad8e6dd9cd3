// machine_test.cpp - a machine without a run: every step, every ending, and that nothing is left of it.
#include "launcher/machine/machine.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/fakes/fake_clock.hpp"
#include "tests/fakes/fake_parts.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// A machine on fakes. Time stands still unless a test moves it.
struct World {
  asio::io_context io{1};
  FakeClock clock{io.get_executor()};
  test::FakeHost host{io.get_executor()};
  test::FakeParts parts{host};
  vmspec::VmSpec spec;
  std::vector<std::string> steps;
  std::optional<Machine> machine;

  World() {
    spec.name = "fake";
    spec.boot_timeout_ms = 60'000;
    spec.shares = {{"usr", "/usr", "/usr", true, vmspec::ShareOwner::root},
                   {"work", "/tmp", "/workspace", false, vmspec::ShareOwner::caller}};
    machine.emplace(io.get_executor(), spec, parts, clock,
                    [this](const std::string& step, const std::string&) { steps.push_back(step); });
  }
  ~World() {
    finish(machine->take_down());
    CHECK(machine->state() == State::gone);
    CHECK(host.nothing_left());
    host.guest.leave();
    turn();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void turn() {
    io.restart();
    io.poll();
  }
  /// Starts a task; what came of it is in `outcome`: "", "running" or the failure's words.
  std::shared_ptr<std::string> begin(asio::awaitable<void> task) {
    auto outcome = std::make_shared<std::string>("running");
    asio::co_spawn(io, std::move(task), [outcome](const std::exception_ptr& error) {
      outcome->clear();
      try {
        if (error) std::rethrow_exception(error);
      } catch (const std::exception& failure) {
        *outcome = failure.what();
      }
    });
    turn();
    return outcome;
  }
  std::string finish(asio::awaitable<void> task) { return *begin(std::move(task)); }
  void advance(std::chrono::milliseconds time) {
    clock.advance(time);
    turn();
  }
  std::string boot_and_set_up() {
    const std::string booted = finish(machine->boot());
    return booted.empty() ? finish(machine->set_up({})) : booted;
  }
};

}  // namespace

TEST_SUITE("machine/machine") {
  TEST_CASE("boots through its steps to a guest that is set up and told the time") {
    World world;
    CHECK(world.finish(world.machine->boot()).empty());
    CHECK(world.machine->state() == State::up);
    CHECK(world.steps == std::vector<std::string>{"shares", "vmm", "kernel"});
    CHECK(world.machine->ready_report().kernel == "6.1.0-fake");
    CHECK(world.host.watched.contains({"vmm", 4242}));
    CHECK(world.host.guest.setups.empty());
    guest::GuestSetup setup;
    setup.hostname = "fake";
    CHECK(world.finish(world.machine->set_up(setup)).empty());
    REQUIRE(world.host.guest.setups.size() == 1);
    const auto told = world.host.guest.setups[0].at("clock_unix_ms").get<std::int64_t>();
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
    CHECK(std::abs(now.count() - told) < 5'000);
  }

  TEST_CASE("a guest that is slow to answer is told the time that it will be") {
    World world;
    REQUIRE(world.finish(world.machine->boot()).empty());
    auto& guest = world.host.guest;
    std::deque<std::chrono::milliseconds> trips = {10'000ms, 7'000ms, 9'000ms, 1'008ms};
    std::vector<std::chrono::milliseconds> ahead;
    guest.on_setup = [&] {
      const auto now =
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
      ahead.push_back(std::chrono::milliseconds(guest.setups.back().at("clock_unix_ms").get<std::int64_t>()) - now);
      if (guest.setups.size() > 1) guest.setup_took = 1'000ms;
      world.clock.advance(trips.front());
      trips.pop_front();
    };
    guest::GuestSetup setup;
    setup.files.push_back({.path = "/etc/agent", .content = "long"});
    CHECK(world.finish(world.machine->set_up(setup)).empty());
    // What was long says nothing of the way of what is short, nor does the guest's own work.
    REQUIRE(ahead.size() == 4);
    CHECK(ahead[0] <= 0ms);
    CHECK(ahead[1] <= 0ms);
    CHECK((ahead[2] > 1'000ms && ahead[2] <= 3'000ms));
    CHECK((ahead[3] > 1'000ms && ahead[3] <= 3'000ms));
    trips.push_back(0ms);
    world.host.jump_clock();
    world.turn();
    REQUIRE(ahead.size() == 5);
    CHECK(ahead[4] <= 4ms);
  }

  TEST_CASE("a guest that does not say that it took the entropy is not gone on with") {
    World world;
    REQUIRE(world.finish(world.machine->boot()).empty());
    guest::GuestSetup setup;
    setup.entropy = "random";
    CHECK(world.finish(world.machine->set_up(setup)) ==
          "the guest has not mixed the entropy that it was given into its random numbers");
    CHECK(world.host.guest.setups.at(0).at("entropy") == "cmFuZG9t");
  }

  TEST_CASE("a machine that was never booted leaves nothing") {
    World world;
    CHECK_THROWS_WITH(world.machine->control(), "there is no link to the guest of fake now");
  }

  TEST_CASE("each step of the boot has a limit and says what it waited for") {
    World world;
    std::string expected;
    std::chrono::milliseconds limit{};
    SUBCASE("the network") {
      world.host.has_network = true;
      world.host.lease_comes = false;
      limit = 30s;
      expected = "waited 30 s for a network lease";
    }
    SUBCASE("the VMM's end of the links") {
      world.host.guest_comes = false;
      limit = 10s;
      expected = "waited 10 s for QEMU to connect the guest's links";
    }
    SUBCASE("the guest") {
      world.host.guest_comes = false;
      world.host.waits_for_guest = true;
      limit = 60s;
      expected = "waited 60 s for the guest to boot";
    }
    const auto booted = world.begin(world.machine->boot());
    world.advance(limit - 1ms);
    CHECK(*booted == "running");
    world.advance(1ms);
    CHECK(*booted == expected);
  }

  TEST_CASE("what fails during the boot ends it with its own words") {
    World world;
    SUBCASE("a share") {
      world.host.share_failure = Error("there is no virtiofsd");
      CHECK(world.finish(world.machine->boot()) == "there is no virtiofsd");
    }
    SUBCASE("the VMM") {
      world.host.boot_failure = Error("QEMU said no");
      CHECK(world.finish(world.machine->boot()) == "QEMU said no");
    }
    SUBCASE("the guest crashes before it is ready") {
      world.host.guest_comes = false;
      world.host.waits_for_guest = true;
      const auto booted = world.begin(world.machine->boot());
      world.host.end_vm(hypervisor::End::crashed);
      world.turn();
      CHECK(*booted == "the guest crashed while it booted");
      CHECK(world.machine->ending()->cause == Ending::Cause::crashed);
    }
    SUBCASE("the guest gives up in its first stage and waits for somebody at its console") {
      world.host.guest_comes = false;
      world.host.waits_for_guest = true;
      const auto booted = world.begin(world.machine->boot());
      world.host.print_console("[FAILED] Failed to mount sysroot.mount - /sysroot.\r\n");
      world.host.print_console("You are in emergency mode. After logging in, type \"journalctl -xb\" to view\r\n");
      world.turn();
      CHECK(*booted == "the guest's boot failed: Failed to mount sysroot.mount - /sysroot.");
    }
    SUBCASE("the guest crashes of what failed in its boot") {
      world.host.guest_comes = false;
      world.host.waits_for_guest = true;
      const auto booted = world.begin(world.machine->boot());
      world.host.print_console("[FAILED] Failed to mount sysroot.mount - /sysroot.\r\n");
      world.turn();
      world.host.end_vm(hypervisor::End::crashed);
      world.turn();
      CHECK(*booted == "the guest crashed while it booted: Failed to mount sysroot.mount - /sysroot.");
    }
    SUBCASE("a guest that does not answer its setup") {
      world.host.guest.answers_setup = false;
      CHECK(world.finish(world.machine->boot()).empty());
      const auto set_up = world.begin(world.machine->set_up({}));
      world.advance(30s);
      CHECK(*set_up == "setting up the guest: waited 30 s for the guest to set itself up");
    }
  }

  TEST_CASE("a boot that is cancelled at any step leaves nothing") {
    World world;
    world.host.has_network = true;
    SUBCASE("waiting for the network") {
      world.host.lease_comes = false;
    }
    SUBCASE("in the VMM's start") {
      world.host.boots = false;
    }
    SUBCASE("waiting for the guest") {
      world.host.guest_comes = false;
    }
    TaskGroup group(world.io.get_executor());
    group.spawn(world.machine->boot());
    world.turn();
    CHECK(group.size() == 1);
    group.cancel();
    world.turn();
    CHECK(group.empty());
  }

  TEST_CASE("every ending is told once - with the VM's own reason when it has one") {
    World world;
    world.host.has_network = true;
    REQUIRE(world.boot_and_set_up().empty());
    const auto ended = world.begin(world.machine->ended());
    CHECK(*ended == "running");
    SUBCASE("the guest powers off") {
      world.host.end_vm(hypervisor::End::powered_off);
      world.turn();
      CHECK(world.machine->ending()->cause == Ending::Cause::powered_off);
    }
    SUBCASE("the VMM dies and its links and shares with it") {
      world.host.lose_share("virtiofsd ended");
      world.host.end_vm(hypervisor::End::vmm_died);
      world.turn();
      CHECK(world.machine->ending()->cause == Ending::Cause::vmm_died);
    }
    SUBCASE("a link alone is lost") {
      world.host.guest.leave();
      world.turn();
      CHECK(*ended == "running");
      world.advance(2s);
      REQUIRE(world.machine->ending());
      CHECK(world.machine->ending()->cause == Ending::Cause::link_lost);
    }
    SUBCASE("a share alone is lost") {
      world.host.lose_share("virtiofsd ended");
      world.turn();
      world.advance(2s);
      REQUIRE(world.machine->ending());
      CHECK(std::string(world.machine->ending()->failure.what()) == "virtiofsd ended");
    }
    SUBCASE("the network is lost") {
      world.host.lose_lease();
      world.turn();
      REQUIRE(world.machine->ending());
      CHECK(world.machine->ending()->cause == Ending::Cause::network_lost);
    }
    CHECK(ended->empty());
  }

  TEST_CASE("powering off asks the guest and kills it at the deadline") {
    World world;
    REQUIRE(world.boot_and_set_up().empty());
    SUBCASE("a guest that obeys") {
      CHECK(world.finish(world.machine->power_off(4s)).empty());
      CHECK(world.host.guest.shutdown_asked);
      CHECK(world.host.end == hypervisor::End::powered_off);
    }
    SUBCASE("a guest that does not") {
      world.host.guest.powers_off = false;
      const auto off = world.begin(world.machine->power_off(4s));
      world.advance(3999ms);
      CHECK(*off == "running");
      world.advance(1ms);
      CHECK(off->empty());
      CHECK(world.host.end == hypervisor::End::killed);
    }
  }

  TEST_CASE("a share can be added and the guest is told to mount it") {
    World world;
    REQUIRE(world.boot_and_set_up().empty());
    CHECK(world.finish(world.machine->add_share({"docs", "/srv", "/docs", true, vmspec::ShareOwner::root})).empty());
    CHECK(world.host.calls.back() == "add_share docs /fake/fs2.sock");
    REQUIRE(world.host.guest.setups.size() == 2);
    CHECK(world.host.guest.setups[1].at("mounts").back().at("path") == "/docs");
  }

  TEST_CASE("a share that fails is taken back and not one that was added meanwhile") {
    World world;
    REQUIRE(world.boot_and_set_up().empty());
    world.host.guest.answers_setup = false;
    const auto first = world.begin(world.machine->add_share({"one", "/srv", "/1", true, vmspec::ShareOwner::root}));
    const auto second = world.begin(world.machine->add_share({"two", "/srv", "/2", true, vmspec::ShareOwner::root}));
    CHECK(world.host.shares_running == 4);
    world.advance(30s);
    CHECK(*first == "setting up the guest: waited 30 s for the guest to set itself up");
    CHECK(*second == *first);
    const auto& calls = world.host.calls;
    CHECK(std::count(calls.begin(), calls.end(), "remove_share one") == 1);
    CHECK(std::count(calls.begin(), calls.end(), "remove_share two") == 1);
    CHECK(world.host.shares_running == 2);
    CHECK_FALSE(world.machine->ending());
  }

  TEST_CASE("a boot is waited for while it gets on and its steps are told") {
    World world;
    world.host.guest_comes = false;
    world.host.waits_for_guest = true;
    const auto booted = world.begin(world.machine->boot());
    const auto print = [&](const std::string& line) {
      world.host.print_console(line + "\r\n");
      world.turn();
    };
    world.advance(50s);
    print("Welcome to NixOS 26.05 (Yarara) (Initrd)!");
    world.advance(50s);
    print("[*     ] Job a.service/start running (9s / no limit)");
    world.advance(50s);
    CHECK(*booted == "running");
    SUBCASE("the same again is no progress") {
      print("[ *    ] Job a.service/start running (59s / no limit)");
      world.advance(10s);
      CHECK(*booted == "waited 60 s for the guest's boot to go on after waiting for a.service (first stage)");
    }
    SUBCASE("whatever it says its time has an end") {
      for (int line = 0; line < 2; ++line) {
        print("Starting " + std::string(1, static_cast<char>('a' + line)) + ".service...");
        CHECK(*booted == "running");
        world.advance(50s);
      }
      CHECK(*booted == "waited 240 s for the guest to boot");
    }
    CHECK(std::count(world.steps.begin(), world.steps.end(), "boot") == 2);
  }

  TEST_CASE("of a share that cannot be added nothing is left and the VM lives on") {
    World world;
    REQUIRE(world.boot_and_set_up().empty());
    const vmspec::ShareSpec docs{"docs", "/srv", "/docs", true, vmspec::ShareOwner::root};
    SUBCASE("its name is taken") {
      CHECK(world.finish(world.machine->add_share({"usr", "/srv", "/docs", true, vmspec::ShareOwner::root})) ==
            "the VM fake has a share called usr already: /usr");
    }
    SUBCASE("virtiofsd does not start") {
      world.host.share_failure = Error("no virtiofsd");
      CHECK(world.finish(world.machine->add_share(docs)) == "no virtiofsd");
    }
    SUBCASE("the VMM does not take it") {
      world.host.plug_failure = Error("no slot is free");
      CHECK(world.finish(world.machine->add_share(docs)) == "no slot is free");
    }
    SUBCASE("the guest does not mount it") {
      world.host.guest.setup_failure = "cannot mount docs";
      CHECK(world.finish(world.machine->add_share(docs)) == "setting up the guest: cannot mount docs");
      CHECK(world.host.calls.back() == "remove_share docs");
    }
    CHECK(world.host.shares_running == 2);
    world.advance(1h);
    CHECK_FALSE(world.machine->ending());
    world.host.share_failure.reset();
    world.host.plug_failure.reset();
    world.host.guest.setup_failure.clear();
    CHECK(world.finish(world.machine->add_share(docs)).empty());
    CHECK(world.host.guest.setups.back().at("mounts").size() == 1);
    CHECK(world.host.shares_running == 3);
  }

  TEST_CASE("pause and resume go through the machine - which sets the guest's clock again") {
    World world;
    REQUIRE(world.boot_and_set_up().empty());
    CHECK(world.finish(world.machine->resume()) == "the VM fake is up, not paused");
    CHECK(world.finish(world.machine->pause()).empty());
    CHECK(world.machine->state() == State::paused);
    CHECK(world.finish(world.machine->pause()) == "the VM fake is paused, so it cannot be paused");
    CHECK(world.finish(world.machine->resume()).empty());
    CHECK(world.machine->state() == State::up);
    CHECK(world.host.guest.setups.size() == 2);
  }

  TEST_CASE("the guest is told the time again when the host's clock has jumped and its files are left alone") {
    World world;
    REQUIRE(world.finish(world.machine->boot()).empty());
    guest::GuestSetup setup;
    setup.hostname = "app";
    setup.files.push_back({.path = "/etc/agent", .content = "first"});
    REQUIRE(world.finish(world.machine->set_up(setup)).empty());
    auto& setups = world.host.guest.setups;
    CHECK(setups.at(0).at("files").size() == 1);
    const std::size_t told = setups.size();
    world.host.jump_clock();
    world.turn();
    REQUIRE(setups.size() == told + 1);
    CHECK(setups.back().at("clock_unix_ms").get<std::int64_t>() > 0);
    CHECK(setups.back().value("hostname", "") == "");
    CHECK(setups.back().value("files", nlohmann::json::array()).empty());
    SUBCASE("not while it is paused but when it goes on") {
      REQUIRE(world.finish(world.machine->pause()).empty());
      world.host.jump_clock();
      world.turn();
      CHECK(setups.size() == told + 1);
      CHECK(world.finish(world.machine->resume()).empty());
      CHECK(setups.size() == told + 2);
    }
    SUBCASE("a guest that cannot be told lives on") {
      world.host.guest.setup_failure = "no";
      world.host.jump_clock();
      world.turn();
      CHECK(setups.size() == told + 2);
      CHECK_FALSE(world.machine->ending());
    }
  }

  TEST_CASE("the links can be dropped and made anew while the VM lives") {
    World world;
    REQUIRE(world.boot_and_set_up().empty());
    for (int round = 0; round < 20; ++round) {
      CHECK(world.finish(world.machine->drop_links()).empty());
      CHECK_FALSE(world.machine->linked());
      world.host.guest.leave();
      world.advance(10s);
      CHECK_FALSE(world.machine->ending());
      const auto connected = world.begin(world.machine->connect_links());
      CHECK(*connected == "running");
      world.host.guest.arrive();
      world.turn();
      CHECK(connected->empty());
      CHECK(world.machine->linked());
    }
    CHECK(world.host.guest.arrivals == 21);
  }
}

}  // namespace agentvm::machine
