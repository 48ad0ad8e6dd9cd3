// start_vmm.cpp - a cloud-hypervisor VM with all its devices, whatever becomes of its guest.
//
// start_vmm SPEC DIRECTORY [TAP MAC]: SPEC is a plan without shares, as `agentvm run --dry-run --json` prints it.
// Prints "started" once the guest's CPU was let go, ends the VM at the end of stdin, and exits with 0; or says why not.
// landlock_test.py runs it.
#include <signal.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.hpp"
#include "launcher/hypervisor/cloud_hypervisor.hpp"

namespace {

using namespace agentvm;
using namespace std::chrono_literals;
namespace asio = boost::asio;

asio::awaitable<void> live(hypervisor::Hypervisor& vm, asio::posix::stream_descriptor& input) {
  co_await vm.boot();
  std::puts("started");
  std::fflush(stdout);
  auto ended = input.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  co_await std::move(ended);
  co_await vm.kill();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 5) return 2;
  signal(SIGPIPE, SIG_IGN);
  const std::string directory = argv[2];
  int code = 1;
  try {
    asio::io_context io(1);
    asio::posix::stream_descriptor input(io, STDIN_FILENO);
    const auto vm = hypervisor::make_cloud_hypervisor(io.get_executor(), vmspec::parse_vm_spec(read_file(argv[1])),
                                                      {.runtime_dir = directory,
                                                       .console_log = directory + "/console.log",
                                                       .vmm_log = directory + "/vmm.log",
                                                       .vsock_socket = directory + "/vsock",
                                                       .tap = argc == 5 ? argv[3] : "",
                                                       .mac = argc == 5 ? argv[4] : ""});
    asio::co_spawn(io, live(*vm, input), [&](const std::exception_ptr& error) {
      try {
        if (error) std::rethrow_exception(error);
        code = 0;
      } catch (const std::exception& reason) {
        std::fprintf(stderr, "start_vmm: %s\n", reason.what());
      }
      io.stop();
    });
    io.run_for(60s);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "start_vmm: %s\n", error.what());
  }
  return code;
}
