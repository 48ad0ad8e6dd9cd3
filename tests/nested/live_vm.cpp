// live_vm.cpp - changes a running cloud-hypervisor VM: a share comes and goes, CPUs stop and go on, the power button.
//
// live_vm SPEC DIRECTORY: SPEC is a plan as `agentvm run --dry-run --json` prints it; DIRECTORY is empty and has a
// short path. Prints a line for each thing that holds and exits with 0, or says what does not. cloud_hypervisor_test.py
// runs it, for no verb of agentvm changes the shares of a running VM.
#include <signal.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/wire/guest.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/hypervisor/cloud_hypervisor.hpp"
#include "launcher/image/host_image.hpp"
#include "launcher/machine/guest_links.hpp"
#include "launcher/machine/share_server.hpp"

namespace {

using namespace agentvm;
using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;
namespace asio = boost::asio;

void holds(bool condition, const std::string& what) {
  if (!condition) throw Error("not so: " + what);
  std::printf("%s\n", what.c_str());
  std::fflush(stdout);
}

class LiveVm {
 public:
  LiveVm(asio::io_context& io, vmspec::VmSpec spec, std::string directory)
      : io_(io),
        spec_(std::move(spec)),
        directory_(std::move(directory)),
        ready_(io.get_executor()),
        links_(io.get_executor(), machine::vsock_transport(directory_ + "/vsock")) {}

  asio::awaitable<void> live() {
    co_await boot();
    co_await share_comes_and_goes();
    co_await stops_and_goes_on();
    const bool off = co_await vm_->power_off(30s);
    holds(off, "the power button turns it off");
    const hypervisor::End end = co_await vm_->wait();
    holds(end == hypervisor::End::powered_off, "it is known to have powered off");
  }

 private:
  workspace::ShareServer serve(const vmspec::ShareSpec& share, const std::string& socket) {
    const workspace::ShareIdentity identity{geteuid(),       getegid(),       spec_.owner_uid,
                                            spec_.owner_gid, spec_.agent.uid, spec_.agent.gid};
    return workspace::ShareServer({.share = share,
                                   .virtiofsd = spec_.virtiofsd,
                                   .socket = socket,
                                   .log = directory_ + "/virtiofsd.log",
                                   .instance = spec_.uuid,
                                   .identity = identity});
  }

  asio::awaitable<void> boot() {
    spec_.image.initramfs = image::build_host_initramfs({.modules = spec_.image.modules,
                                                         .agentvm_guest = host::own_program("agentvm-guest"),
                                                         .cache_dir = directory_ + "/cache",
                                                         .links = image::LinkDevice::vsock});
    hypervisor::Paths paths{.runtime_dir = directory_,
                            .console_log = directory_ + "/console.log",
                            .vmm_log = directory_ + "/vmm.log",
                            .vsock_socket = directory_ + "/vsock"};
    for (const vmspec::ShareSpec& share : spec_.shares) {
      paths.share_sockets.push_back(directory_ + "/" + share.tag + ".sock");
      servers_.push_back(serve(share, paths.share_sockets.back()));
    }
    links_.serve("/ready", [this](link::StreamPtr stream) -> asio::awaitable<void> {
      co_await stream->read_all(4096);
      is_ready_ = true;
      ready_.notify();
    });
    vm_ = hypervisor::make_cloud_hypervisor(io_.get_executor(), spec_, paths);
    auto linked = links_.accept([](const std::string&) {});
    auto booted = vm_->boot();
    co_await (std::move(linked) && std::move(booted));
    while (!is_ready_) co_await ready_.wait();
    guest::GuestSetup setup;
    for (const auto& share : spec_.shares) setup.mounts.push_back({share.tag, share.mount_point, share.read_only});
    co_await set_up(setup);
    holds(true, "the guest is ready");
  }

  asio::awaitable<void> set_up(guest::GuestSetup setup) {
    auto asked = link::request(*links_.control(), "POST", "/setup", guest::to_json(setup).dump());
    const link::Answer answer = co_await std::move(asked);
    if (answer.status != 200) throw Error("setup: " + answer.body);
  }

  /// Runs a shell line as root of the guest; what it prints.
  asio::awaitable<std::string> shell(std::string line) {
    guest::ProcessSpec process{.argv = {"/bin/sh", "-c", std::move(line)},
                               .env = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}},
                               .stdin_null = true};
    const link::StreamPtr started = links_.control()->open("POST", "/processes");
    co_await started->write(guest::to_json(process).dump());
    started->finish();
    const link::Fields answer = co_await started->response();
    const std::string output = "/processes/" + std::string(link::field(answer, "process-id")) + "/stdout";
    auto asked = link::request(*links_.control(), "GET", output);
    const link::Answer said = co_await std::move(asked);
    co_await started->read_all(4096);
    if (link::field(started->trailers(), "exit-code") != "0") throw Error("the guest's shell failed: " + said.body);
    co_return said.body;
  }

  asio::awaitable<void> share_comes_and_goes() {
    make_directories(directory_ + "/late", 0755);
    write_file_atomic(directory_ + "/late/from-host", "hello guest\n", 0644);
    const vmspec::ShareSpec late{.tag = "late",
                                 .source = directory_ + "/late",
                                 .mount_point = "/late",
                                 .read_only = false,
                                 .owner = vmspec::ShareOwner::caller};
    for (int round = 1; round <= 2; ++round) {
      workspace::ShareServer server = serve(late, directory_ + "/late.sock");
      co_await vm_->add_share(late, server.socket());
      guest::GuestSetup setup;
      setup.mounts.push_back({late.tag, late.mount_point, late.read_only});
      co_await set_up(setup);
      auto read = shell("cat /late/from-host; echo hello host > /late/from-guest");
      const std::string seen = co_await std::move(read);
      holds(seen == "hello guest\n", "a share added to the running guest is read");
      holds(read_file(directory_ + "/late/from-guest") == "hello host\n", "and written");
      auto unmounted = shell("umount /late");
      co_await std::move(unmounted);
      co_await vm_->remove_share(late.tag);
      holds(true, "and taken away");
    }
  }

  asio::awaitable<bool> answers_within(std::chrono::milliseconds limit) {
    const auto answered = co_await (links_.control()->ping() || sleep_for(limit));
    co_return answered.index() == 0;
  }

  asio::awaitable<void> stops_and_goes_on() {
    co_await vm_->pause();
    const bool while_paused = co_await answers_within(3s);
    holds(!while_paused, "a paused guest does not answer");
    co_await vm_->resume();
    const bool resumed = co_await answers_within(30s);
    holds(resumed, "a resumed one does");
  }

  asio::io_context& io_;
  vmspec::VmSpec spec_;
  std::string directory_;
  AsyncEvent ready_;
  bool is_ready_ = false;
  machine::GuestLinks links_;
  std::vector<workspace::ShareServer> servers_;
  std::unique_ptr<hypervisor::Hypervisor> vm_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  signal(SIGPIPE, SIG_IGN);
  int code = 1;
  try {
    asio::io_context io(1);
    LiveVm vm(io, vmspec::parse_vm_spec(read_file(argv[1])), argv[2]);
    asio::co_spawn(io, vm.live(), [&](const std::exception_ptr& error) {
      try {
        if (error) std::rethrow_exception(error);
        code = 0;
      } catch (const std::exception& reason) {
        std::fprintf(stderr, "live_vm: %s\n", reason.what());
      }
      io.stop();
    });
    io.run_for(300s);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "live_vm: %s\n", error.what());
  }
  return code;
}
