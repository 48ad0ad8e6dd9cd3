// parts_test.cpp - what the QEMU hypervisor is made of: messages, processes, console, driver root, worker, ending.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "base/async/offload.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "launcher/hypervisor/console_log.hpp"
#include "launcher/hypervisor/embedded_root.hpp"
#include "launcher/hypervisor/libvirt_message.hpp"
#include "launcher/hypervisor/vm_ending.hpp"
#include "launcher/hypervisor/vmm_process.hpp"

using namespace agentvm;
using namespace agentvm::hypervisor;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Directory {
  std::string path = "/tmp/agentvm-hypervisor-test-XXXXXX";
  Directory() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { remove_tree(path); }
};

}  // namespace

TEST_CASE("a libvirt message is cut to what happened") {
  CHECK(tidy_message("internal error: process exited while connecting to monitor: 2026-11-24T06:00:00.000000Z "
                     "qemu-system-x86_64: -device x: 'x' is not a valid device model name") ==
        "process exited while connecting to monitor: qemu-system-x86_64: -device x: 'x' is not a valid device model "
        "name");
  CHECK(tidy_message("internal error: qemu unexpectedly closed the monitor:\nqemu: no memory\nmore\n") ==
        "qemu unexpectedly closed the monitor: qemu: no memory");
  CHECK(tidy_message("Domain not found\n") == "Domain not found");
  CHECK(tidy_message("\n\n").empty());
  CHECK(tidy_message("").empty());
  CHECK(tidy_message(std::string(1 << 20, 'x')).size() <= 4096);
}

TEST_CASE("a VM's process is known by the uuid on its command line") {
  const std::string uuid = "0b9c2b3e-7a53-4be0-9a53-2f1ed4b9c001";
  const std::string other = "0b9c2b3e-7a53-4be0-9a53-2f1ed4b9c002";
  const Directory directory;
  // It waits for a line without starting anything.
  const auto [shell_end, our_end] = socket_pair();
  ChildProcess vmm =
      spawn({.program = "/bin/sh", .args = {"-c", "read x; :", "sh", "-uuid", uuid}, .stdin_fd = shell_end.get()});
  CHECK(is_vmm_of(vmm.pid(), uuid));
  CHECK_FALSE(is_vmm_of(vmm.pid(), other));
  CHECK(find_vmm(uuid) == std::vector<pid_t>{vmm.pid()});
  CHECK(find_vmm(other).empty());
  const std::string pid_file = directory.path + "/vm.pid";
  SUBCASE("a pid file that is right") {
    write_file_atomic(pid_file, std::to_string(vmm.pid()) + "\n");
    CHECK(find_vmm(uuid, pid_file) == std::vector<pid_t>{vmm.pid()});
  }
  SUBCASE("one that names somebody else") {
    write_file_atomic(pid_file, std::to_string(getpid()));
    CHECK(find_vmm(uuid, pid_file) == std::vector<pid_t>{vmm.pid()});
  }
  SUBCASE("one that is no number") {
    write_file_atomic(pid_file, "-1 x");
    CHECK(find_vmm(uuid, pid_file) == std::vector<pid_t>{vmm.pid()});
  }
  kill_vmm(other, 0ms);
  CHECK_FALSE(vmm.wait(0ms).has_value());
  kill_vmm(uuid, 2s);
  const auto status = vmm.wait(2s);
  REQUIRE(status);
  CHECK(status->signal == SIGKILL);
  CHECK(find_vmm(uuid).empty());
}

TEST_CASE("a console is written up to its limit and its panic is seen") {
  const Directory directory;
  const std::string log = directory.path + "/console.log";
  asio::io_context io;
  {
    const ConsoleLog console(io.get_executor(), directory.path + "/fifo", log, 100);
    const UniqueFd guest(open(console.fifo().c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(guest);
    write_all(guest.get(), "booting\n");
    io.run_for(20ms);
    CHECK(read_file(log) == "booting\n");
    CHECK_FALSE(console_shows_panic(log));
    write_all(guest.get(), "Kernel panic - not syncing: oops\n");
    io.restart();
    io.run_for(20ms);
    CHECK(console_shows_panic(log));
    // More than the pipe holds: the guest is never held up by a full log.
    std::jthread flood([&] { write_all(guest.get(), std::string(1 << 20, 'x')); });
    io.restart();
    while (io.run_for(20ms) > 0) io.restart();
  }
  const std::string text = read_file(log);
  CHECK(text.size() < 300);
  CHECK(text.find("the console's log is full") != std::string::npos);
  CHECK(access((directory.path + "/fifo").c_str(), F_OK) < 0);
  CHECK_FALSE(console_shows_panic(directory.path + "/nowhere"));
}

TEST_CASE("what the guest said last is in the log when the console goes") {
  const Directory directory;
  const std::string log = directory.path + "/console.log";
  asio::io_context io;
  {
    const ConsoleLog console(io.get_executor(), directory.path + "/fifo", log);
    const UniqueFd guest(open(console.fifo().c_str(), O_WRONLY | O_CLOEXEC));
    write_all(guest.get(), "last words\n");
  }
  CHECK(read_file(log) == "last words\n");
}

TEST_CASE("the driver's root starts with what other VMs learnt about QEMU") {
  const Directory directory;
  const std::string cache = directory.path + "/cache";
  const EmbeddedRoot first(directory.path + "/one", cache);
  first.prepare();
  const std::string conf = read_file(directory.path + "/one/etc/qemu.conf");
  CHECK(conf.find("security_driver = \"none\"\n") != std::string::npos);
  CHECK((conf.find("user = \"root\"") != std::string::npos) == (geteuid() == 0));
  write_file_atomic(directory.path + "/one/cache/qemu/capabilities/abc.xml", "<known/>");
  write_file_atomic(directory.path + "/one/cache/qemu/capabilities/abc.tmp", "half");
  first.save_capabilities();
  const EmbeddedRoot second(directory.path + "/two", cache);
  second.prepare();
  CHECK(read_file(directory.path + "/two/cache/qemu/capabilities/abc.xml") == "<known/>");
  CHECK_FALSE(read_file_if_exists(directory.path + "/two/cache/qemu/capabilities/abc.tmp").has_value());
  CHECK(second.uri() == "qemu:///embed?root=" + directory.path + "/two");
}

TEST_CASE("the worker hands results and failures over") {
  asio::io_context io;
  BlockingWorker worker(io.get_executor());
  auto number = asio::co_spawn(io, worker.run([] { return 42; }), asio::use_future);
  auto failure = asio::co_spawn(io, worker.run([] { throw Error("it broke"); }), asio::use_future);
  io.run_for(5s);
  CHECK(number.get() == 42);
  CHECK_THROWS_WITH_AS(failure.get(), "it broke", Error);
}

TEST_CASE("an end wakes everyone once and a deadline only its own waiter") {
  asio::io_context io;
  const auto ending = std::make_shared<VmEnding>(io.get_executor());
  const auto now = [] { return std::chrono::steady_clock::now(); };
  auto early = asio::co_spawn(io, ending->wait_until(now() + 5ms), asio::use_future);
  auto late = asio::co_spawn(io, ending->wait_until(VmEnding::Time::max()), asio::use_future);
  io.run_for(100ms);
  CHECK_FALSE(early.get());
  CHECK(late.wait_for(0s) == std::future_status::timeout);
  ending->set(End::crashed);
  ending->set(End::killed);
  io.restart();
  io.run_for(5s);
  CHECK(late.get());
  CHECK(ending->end() == End::crashed);
}
