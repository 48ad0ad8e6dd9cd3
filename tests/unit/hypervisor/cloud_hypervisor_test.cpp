// cloud_hypervisor_test.cpp - a VM's life as cloud-hypervisor tells it, with a program of ours in its place.
// Real VMs: tests/nested.
#include "launcher/hypervisor/cloud_hypervisor.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/hypervisor/cloud_hypervisor_api.hpp"
#include "launcher/hypervisor/cloud_hypervisor_events.hpp"
#include "launcher/hypervisor/cloud_hypervisor_support.hpp"
#include "launcher/hypervisor/vmm_words.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/places.hpp"

using namespace agentvm;
using namespace agentvm::hypervisor;
using namespace std::chrono_literals;
using agentvm::test::has;
namespace asio = boost::asio;

namespace {

/// A VM whose VMM follows a script (fake_cloud_hypervisor.py).
struct ScriptedVm {
  std::string root = "/tmp/agentvm-ch-test-XXXXXX";
  asio::io_context io;
  vmspec::VmSpec spec;
  Paths paths;
  std::unique_ptr<Hypervisor> vm;

  explicit ScriptedVm(const std::string& script) {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    spec.name = "unit-test";
    spec.uuid = "7a9d2d0a-0c1b-4d53-9b61-0b6d0ad6f2c1";
    spec.hypervisor = vmspec::HypervisorKind::cloud_hypervisor;
    spec.emulator = std::string(test::data_directory) + "/hypervisor/fake_cloud_hypervisor.py";
    spec.memory_bytes = 64 << 20;
    spec.image = {.kernel = "/script/" + script, .initramfs = "/initramfs"};
    paths = {.runtime_dir = root,
             .console_log = root + "/console.log",
             .vmm_log = root + "/vmm.log",
             .vsock_socket = root + "/vsock",
             .cache_dir = root + "/cache"};
    vm = make_cloud_hypervisor(io.get_executor(), spec, paths);
  }
  ScriptedVm(const ScriptedVm&) = delete;
  ScriptedVm& operator=(const ScriptedVm&) = delete;
  ~ScriptedVm() {
    vm.reset();
    remove_tree(root);
  }

  template <typename Value>
  Value run(asio::awaitable<Value> work) {
    auto result = asio::co_spawn(io, std::move(work), asio::use_future);
    io.restart();
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (result.wait_for(0s) != std::future_status::ready && std::chrono::steady_clock::now() < deadline) {
      io.run_one_for(100ms);
      if (io.stopped()) io.restart();
    }
    REQUIRE(result.wait_for(0s) == std::future_status::ready);
    return result.get();
  }
  std::string text(const std::string& name) const { return read_file_if_exists(root + "/" + name).value_or(""); }
};

template <typename Work>
std::string failure_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing failed";
}

}  // namespace

TEST_CASE("cloud-hypervisor: a VM is created and booted and changed and powered off by one request each") {
  ScriptedVm one("obeys");
  one.run(one.vm->boot());
  REQUIRE(one.vm->processes().size() == 1);
  const std::string environment = read_file("/proc/" + std::to_string(one.vm->processes().front()) + "/environ");
  CHECK(environment == "AGENTVM_INSTANCE=" + one.spec.uuid + std::string(1, '\0'));
  one.run(one.vm->add_share({.tag = "late", .source = "/s", .mount_point = "/m"}, "/r/late.sock"));
  one.run(one.vm->pause());
  one.run(one.vm->resume());
  one.run(one.vm->remove_share("late"));
  CHECK(one.run(one.vm->power_off(10s)));
  CHECK(one.run(one.vm->wait()) == End::powered_off);
  CHECK(one.vm->processes().empty());
  CHECK(one.text("requests") ==
        "vm.create\nvm.boot\n"
        "vm.add-fs {\"id\": \"share-late\", \"num_queues\": 1, \"queue_size\": 1024, \"socket\": \"/r/late.sock\", "
        "\"tag\": \"late\"}\n"
        "vm.pause\nvm.resume\nvm.remove-device {\"id\": \"share-late\"}\nvm.power-button\n");
  CHECK(one.text("console.log") == "hello from the console\n");
}

TEST_CASE("cloud-hypervisor: a guest that does not heed its power button is shut down before the time is up") {
  ScriptedVm one("needs-shutdown");
  one.run(one.vm->boot());
  CHECK(one.run(one.vm->power_off(1s)));
  CHECK(has(one.text("requests"), "vm.power-button\nvmm.shutdown\n"));
}

TEST_CASE("cloud-hypervisor: one that heeds nothing is killed") {
  ScriptedVm one("heeds-nothing");
  one.run(one.vm->boot());
  const pid_t pid = one.vm->processes().front();
  CHECK_FALSE(one.run(one.vm->power_off(200ms)));
  one.run(one.vm->kill());
  CHECK(one.run(one.vm->wait()) == End::killed);
  CHECK(::kill(pid, 0) < 0);
}

TEST_CASE("cloud-hypervisor: an answer is read up to its limit") {
  ScriptedVm one("answers-much");
  one.run(one.vm->boot());
  CHECK(failure_of([&] { one.run(one.vm->pause()); }) == "pausing unit-test: body limit exceeded");
  one.run(one.vm->resume());
}

TEST_CASE("cloud-hypervisor: one that left its process group is killed too") {
  ScriptedVm one("leaves-its-group");
  one.run(one.vm->boot());
  const pid_t pid = one.vm->processes().front();
  REQUIRE(getpgid(pid) != pid);
  one.run(one.vm->kill());
  CHECK(one.vm->processes().empty());  // seen to be ended, not given up
  CHECK(one.run(one.vm->wait()) == End::killed);
  CHECK(::kill(pid, 0) < 0);
}

TEST_CASE("cloud-hypervisor: how a VM ended") {
  const std::pair<const char*, End> endings[] = {{"powers-off", End::powered_off},   {"reboots", End::powered_off},
                                                 {"reboots-late", End::powered_off}, {"reboots-panicked", End::crashed},
                                                 {"panics", End::crashed},           {"dies", End::vmm_died}};
  for (const auto& ending : endings) {
    CAPTURE(ending.first);
    ScriptedVm one(ending.first);
    one.run(one.vm->boot());
    write_file_atomic(one.root + "/go", "");
    CHECK(one.run(one.vm->wait()) == ending.second);
    CHECK(one.vm->processes().empty());
  }
}

TEST_CASE("cloud-hypervisor: failures are one sentence with the step and the VMM's own words") {
  ScriptedVm refused("boot-fails");
  CHECK(failure_of([&] { refused.run(refused.vm->boot()); }) ==
        "starting the VM unit-test: The VM could not boot: Cannot open the kernel file");
  CHECK(refused.vm->processes().empty());
  CHECK(access((refused.root + "/console.fifo").c_str(), F_OK) < 0);
  CHECK(failure_of([&] { refused.run(refused.vm->pause()); }) == "the VM unit-test does not run");

  ScriptedVm dead("dies-at-boot");
  CHECK(failure_of([&] { dead.run(dead.vm->boot()); }) ==
        "starting the VM unit-test: cloud-hypervisor ended: cloud-hypervisor: thread panicked at: no memory");

  ScriptedVm stubborn("cannot-pause");
  stubborn.run(stubborn.vm->boot());
  CHECK(failure_of([&] { stubborn.run(stubborn.vm->pause()); }) == "pausing unit-test: The VM could not be paused");

  ScriptedVm absent("obeys");
  absent.spec.emulator = absent.root + "/none";
  absent.vm = make_cloud_hypervisor(absent.io.get_executor(), absent.spec, absent.paths);
  CHECK(has(failure_of([&] { absent.run(absent.vm->boot()); }), "/none: no such program"));
}

TEST_CASE("cloud-hypervisor: a VM that was never booted can be asked and killed and destroyed") {
  ScriptedVm one("obeys");
  CHECK(one.vm->processes().empty());
  CHECK(one.run(one.vm->power_off(1s)));
  one.run(one.vm->kill());
  CHECK(failure_of([&] { one.run(one.vm->resume()); }) == "the VM unit-test does not run");
  auto waiting = asio::co_spawn(one.io, one.vm->wait(), asio::use_future);
  one.io.restart();
  one.io.poll();
  one.vm.reset();
  one.io.restart();
  one.io.run_for(5s);
  REQUIRE(waiting.wait_for(0s) == std::future_status::ready);
  CHECK(waiting.get() == End::killed);
}

TEST_CASE("cloud-hypervisor: a VM is killed while it boots") {
  ScriptedVm one("obeys");
  auto booting = asio::co_spawn(one.io, one.vm->boot(), asio::use_future);
  one.io.restart();
  one.io.run_for(20ms);  // a script takes longer to start
  one.run(one.vm->kill());
  one.io.restart();
  one.io.run_for(5s);
  REQUIRE(booting.wait_for(0s) == std::future_status::ready);
  CHECK_THROWS_AS(booting.get(), Error);
  CHECK(one.run(one.vm->wait()) == End::killed);
}

TEST_CASE("what cloud-hypervisor answers becomes one line") {
  CHECK(
      api_error_words(500, R"(["Error from API","Error booting VM","Error booting VM","No such file [os error 2]"])") ==
      "Error booting VM: No such file [os error 2]");
  CHECK(api_error_words(404, R"("Not Found")") == "Not Found");
  CHECK(api_error_words(400, "Bad\nRequest\n") == "Bad Request");
  CHECK(api_error_words(500, "") == "cloud-hypervisor answered 500");
  CHECK(api_error_words(500, R"(["Error from API"])") == "cloud-hypervisor answered 500");
  CHECK(api_error_words(500, std::string(100'000, 'x')).size() == 1000);
  CHECK(api_error_words(500, R"(["\u001b[31mred\u007f", "two\u0000"])") == R"(red\x7f: two\x00)");
}

TEST_CASE("events come in any pieces and what is none is passed over") {
  const std::string text =
      "{\n  \"timestamp\": {\"secs\": 1, \"nanos\": 2},\n  \"source\": \"vm\",\n  \"event\": \"booted\",\n"
      "  \"properties\": null\n}\n\n"
      "nonsense\n\n[1]\n\n{\"source\": 5, \"event\": \"x\"}\n\n"
      "{\"source\": \"vm\", \"event\": \"device-removed\", \"properties\": {\"id\": \"share-late\"}}\n\n";
  const std::vector<VmmEvent> expected{{"vm", "booted", ""}, {"vm", "device-removed", "share-late"}};
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    VmmEventReader reader;
    std::vector<VmmEvent> events;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      for (VmmEvent& event : reader.feed(std::string_view(text).substr(at, piece))) events.push_back(std::move(event));
    }
    REQUIRE(events == expected);
  }
  VmmEventReader flooded;
  CHECK(flooded.feed(std::string(70'000, 'x')).empty());
  CHECK(flooded.feed("\n\n" + text).empty());
}

TEST_CASE("an event of any length is taken up to the limit and none after a longer one in one piece or in many") {
  const std::string event = R"({"source": "vm", "event": "x"})";
  for (const std::size_t size : {longest_vmm_event - 1, longest_vmm_event, longest_vmm_event + 1}) {
    const std::string text = event + std::string(size - event.size(), ' ') + "\n\n" + event + "\n\n";
    const std::size_t expected = size <= longest_vmm_event ? 2 : 0;
    for (const std::size_t piece : {std::size_t{1}, longest_vmm_event + 1, text.size()}) {
      CAPTURE(size);
      CAPTURE(piece);
      VmmEventReader reader;
      std::size_t count = 0;
      for (std::size_t at = 0; at < text.size(); at += piece) count += reader.feed(text.substr(at, piece)).size();
      CHECK(count == expected);
    }
  }
}

TEST_CASE("a VMM's document that is nested deeper than any of its own is none") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(parse_vmm_json(nested(max_vmm_json_depth)).is_array());
  CHECK(parse_vmm_json(nested(max_vmm_json_depth + 1)).is_discarded());
  CHECK(parse_vmm_json(nested(500'000)).is_discarded());
  CHECK(parse_vmm_json("[[]").is_discarded());
  CHECK(parse_vmm_json(R"([{"a": [1]}, {"a": [2]}])").size() == 2);
  VmmEventReader reader;
  CHECK(reader.feed(R"({"source": "vm", "event": "x", "properties": )" + nested(100) + "}\n\n").empty());
  CHECK(reader.feed("{\"source\": \"vm\", \"event\": \"x\"}\n\n").size() == 1);
  CHECK(api_error_words(500, nested(1000)).size() == 1000);
}

TEST_CASE("cloud-hypervisor: one that was taken over holds up nobody") {
  // It writes events without end, and answers a request with a megabyte of brackets.
  ScriptedVm one("floods");
  one.run(one.vm->boot());
  CHECK(failure_of([&] { one.run(one.vm->pause()); }) == "pausing unit-test: cloud-hypervisor's answer is not JSON");
  one.run(one.vm->resume());
  one.run(one.vm->kill());
  CHECK(one.run(one.vm->wait()) == End::killed);
}

TEST_CASE("versions of cloud-hypervisor") {
  CHECK(has(failure_of([] {
              cloud_hypervisor_features({{"version", "38.0.0"}});
            }),
            "cloud-hypervisor 38.0.0 is too old"));
  CHECK(has(failure_of([] { cloud_hypervisor_features(nlohmann::json()); }), "of an unknown version"));
  CHECK_FALSE(cloud_hypervisor_features({{"version", "40.0.0"}}).landlock);
  CHECK_NOTHROW(cloud_hypervisor_features({{"version", "53.0.0"}}));
  // What no cloud-hypervisor answers.
  CHECK(has(failure_of([] { cloud_hypervisor_features({{"version", 53}}); }), "of an unknown version"));
  CHECK(has(failure_of([] { cloud_hypervisor_features({{"version", "99999999999"}}); }), "is too old"));
  CHECK(has(failure_of([] {
              cloud_hypervisor_features({{"version", "\x1b[2J" + std::string(1000, 'x')}});
            }),
            "cloud-hypervisor " + std::string(40, 'x') + " is too old"));
}
