// libvirt_qemu_test.cpp - starts that fail, and what is known about a VM without one. Real VMs: tests/vm.
#include "launcher/hypervisor/libvirt_qemu.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

using namespace agentvm;
using namespace agentvm::hypervisor;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Vm {
  std::string root = "/tmp/agentvm-vm-test-XXXXXX";
  asio::io_context io;
  vmspec::VmSpec spec;
  Paths paths;

  explicit Vm(const std::string& connect) {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    spec.name = "unit-test";
    spec.uuid = "7a9d2d0a-0c1b-4d53-9b61-0b6d0ad6f2c1";
    spec.connect = connect;
    spec.memory_bytes = 64 << 20;
    spec.emulator = root + "/no-such-qemu";
    spec.image = {.kernel = root + "/kernel", .initramfs = root + "/initramfs"};
    paths = {.runtime_dir = root,
             .console_log = root + "/console.log",
             .control_socket = root + "/ctl.sock",
             .services_socket = root + "/svc.sock",
             .share_sockets = {},
             .cache_dir = root + "/cache"};
  }
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;
  ~Vm() { remove_tree(root); }

  template <typename Value>
  Value run(asio::awaitable<Value> work) {
    auto result = asio::co_spawn(io, std::move(work), asio::use_future);
    io.restart();
    io.run_for(60s);
    REQUIRE(result.wait_for(0s) == std::future_status::ready);
    return result.get();
  }
  bool is_there(const std::string& name) const { return access((root + "/" + name).c_str(), F_OK) == 0; }
};

}  // namespace

TEST_CASE("a libvirt that cannot be reached is said with what to try") {
  Vm vm("no-such-driver:///x");
  auto hypervisor = make_libvirt_qemu(vm.io.get_executor(), vm.spec, vm.paths);
  try {
    vm.run(hypervisor->boot());
    FAIL("it booted");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("connecting to libvirt (no-such-driver:///x): ") == 0);
    CHECK(error.hint().find("--connect") != std::string::npos);
  }
  CHECK_FALSE(vm.is_there("console.fifo"));
  CHECK(vm.run(hypervisor->wait()) == End::vmm_died);
  CHECK(vm.run(hypervisor->power_off(1s)));
  vm.run(hypervisor->kill());
  CHECK(hypervisor->processes().empty());
  CHECK_THROWS_WITH_AS(vm.run(hypervisor->boot()), doctest::Contains("was started already"), Error);
}

TEST_CASE("a start that fails leaves nothing") {
  Vm vm("embed");
  {
    auto hypervisor = make_libvirt_qemu(vm.io.get_executor(), vm.spec, vm.paths);
    // "connecting" where libvirt's QEMU driver is not installed, "starting" where it is.
    CHECK_THROWS_WITH_AS(vm.run(hypervisor->boot()), doctest::Contains(": "), Error);
    CHECK_THROWS_AS(vm.run(hypervisor->pause()), Error);
  }
  CHECK_FALSE(vm.is_there("console.fifo"));
  CHECK_FALSE(vm.is_there("libvirt"));
}

TEST_CASE("a VM that was never booted can be asked and killed and destroyed") {
  Vm vm("embed");
  auto hypervisor = make_libvirt_qemu(vm.io.get_executor(), vm.spec, vm.paths);
  CHECK(hypervisor->processes().empty());
  CHECK(vm.run(hypervisor->power_off(1s)));
  vm.run(hypervisor->kill());
  CHECK_THROWS_WITH_AS(vm.run(hypervisor->resume()), doctest::Contains("does not run"), Error);
  CHECK_THROWS_WITH_AS(vm.run(hypervisor->remove_share("x")), doctest::Contains("no added share x"), Error);
  auto waiting = asio::co_spawn(vm.io, hypervisor->wait(), asio::use_future);
  vm.io.restart();
  vm.io.poll();
  hypervisor.reset();
  vm.io.restart();
  vm.io.run_for(5s);
  REQUIRE(waiting.wait_for(0s) == std::future_status::ready);
  CHECK(waiting.get() == End::killed);
}
