// live_machine.cpp - a Machine without a Run on this host's real parts: what no verb of agentvm asks of a VM by itself.
//
// live_machine SPEC DIRECTORY: SPEC is a plan as `agentvm run --dry-run --json` prints it; DIRECTORY is empty and has a
// short path. Prints a line for each thing that holds and exits with 0, or says what does not.
#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/async/main_task.hpp"
#include "base/async/within.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/image/host_image.hpp"
#include "launcher/machine/host_parts.hpp"
#include "launcher/machine/machine.hpp"

namespace {

using namespace agentvm;
using namespace std::chrono_literals;
namespace asio = boost::asio;

constexpr std::size_t most_words = 4096;
constexpr int rounds = 5;

void holds(bool condition, const std::string& what) {
  if (!condition) throw Error("not so: " + what);
  std::printf("%s\n", what.c_str());
  std::fflush(stdout);
}

vmspec::VmSpec with_image(vmspec::VmSpec spec, const std::string& cache) {
  const bool vsock = spec.hypervisor == vmspec::HypervisorKind::cloud_hypervisor;
  spec.image.initramfs = image::build_host_initramfs(
      {.modules = spec.image.modules,
       .agentvm_guest = host::own_program("agentvm-guest"),
       .cache_dir = cache,
       .devices = {.links = vsock ? image::LinkDevice::vsock : image::LinkDevice::virtio_serial}});
  return spec;
}

std::vector<HeldDirectory> directories_of(const vmspec::VmSpec& spec) {
  std::vector<HeldDirectory> directories;
  for (const vmspec::ShareSpec& share : spec.shares) directories.push_back(HeldDirectory::resolve(share.source));
  return directories;
}

state::VmPaths paths_in(const std::string& directory) {
  state::VmPaths paths = state::vm_paths({directory + "/r", directory + "/s", directory + "/c"}, "live");
  make_directories(paths.runtime_dir, 0700);
  make_directories(paths.state_dir, 0700);
  return paths;
}

guest::GuestSetup mounts_of(const vmspec::VmSpec& spec) {
  guest::GuestSetup setup;
  for (const auto& share : spec.shares) setup.mounts.push_back({share.tag, share.mount_point, share.read_only});
  return setup;
}

/// As root of the guest.
std::string shell_request(std::string line) {
  return guest::to_json(guest::ProcessSpec{.argv = {"/bin/sh", "-c", std::move(line)},
                                           .env = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}},
                                           .stdin_null = true})
      .dump();
}

class LiveMachine {
 public:
  LiveMachine(asio::any_io_executor executor, const vmspec::VmSpec& spec, const std::string& directory)
      : spec_(with_image(spec, directory + "/c")),
        directory_(directory),
        paths_(paths_in(directory)),
        parts_(executor, spec_, paths_, directories_of(spec_), directory + "/c", [](const std::string&, pid_t) {}),
        machine_(executor, spec_, parts_, clock_, [](const std::string&, const std::string&) {}) {}

  asio::awaitable<bool> live() {
    std::optional<Error> failure;
    try {
      auto life = whole_life();
      co_await std::move(life);
    } catch (const Error& error) {
      failure = error;
    }
    co_await machine_.take_down();
    if (failure) throw Error(*failure);
    holds(machine_.state() == machine::State::gone, "nothing of it is left");
    co_return true;
  }

 private:
  asio::awaitable<void> whole_life() {
    co_await machine_.boot();
    auto set_up = machine_.set_up(mounts_of(spec_));
    co_await std::move(set_up);
    holds(machine_.state() == machine::State::up, "the guest is ready");
    co_await a_share_is_added();
    co_await a_share_cannot_be_added();
    co_await it_stops_and_goes_on();
    co_await its_links_are_made_anew();
    co_await machine_.power_off(30s);
    holds(machine_.vm_end() == hypervisor::End::powered_off, "the guest powers off when it is asked to");
  }

  /// Starts a shell line; its stream, whose end is the process's.
  asio::awaitable<link::StreamPtr> start(std::string line) {
    link::StreamPtr started = machine_.control()->open("POST", "/processes");
    auto asked = started->write(shell_request(std::move(line)));
    co_await std::move(asked);
    started->finish();
    co_return started;
  }

  asio::awaitable<std::string> shell(std::string line) {
    auto starting = start(std::move(line));
    const link::StreamPtr started = co_await std::move(starting);
    const link::Fields answer = co_await started->response();
    const std::string output = "/processes/" + std::string(link::field(answer, "process-id")) + "/stdout";
    auto asked = link::request(*machine_.control(), "GET", output);
    const link::Answer said = co_await std::move(asked);
    co_await started->read_all(most_words);
    if (link::field(started->trailers(), "exit-code") != "0") throw Error("the guest's shell failed: " + said.body);
    co_return said.body;
  }

  vmspec::ShareSpec late_share(const std::string& tag, const std::string& mount_point) const {
    return {.tag = tag,
            .source = directory_ + "/late",
            .mount_point = mount_point,
            .read_only = false,
            .owner = vmspec::ShareOwner::caller};
  }

  asio::awaitable<void> a_share_is_added() {
    make_directories(directory_ + "/late", 0755);
    write_file_atomic(directory_ + "/late/from-host", "hello guest\n", 0644);
    auto adding = machine_.add_share(late_share("late", "/late"));
    co_await std::move(adding);
    auto reading = shell("cat /late/from-host; echo hello host > /late/from-guest");
    const std::string seen = co_await std::move(reading);
    holds(seen == "hello guest\n", "a share added to the running guest is read");
    holds(read_file(directory_ + "/late/from-guest") == "hello host\n", "and written");
  }

  asio::awaitable<void> a_share_cannot_be_added() {
    std::string refusal;
    try {
      auto adding = machine_.add_share(late_share("later", "/proc/nowhere"));
      co_await std::move(adding);
    } catch (const Error& error) {
      refusal = error.what();
    }
    holds(refusal.find("/proc/nowhere") != std::string::npos, "a share that the guest cannot mount is an error");
    auto adding = machine_.add_share(late_share("later", "/later"));
    co_await std::move(adding);
    auto reading = shell("cat /late/from-host /later/from-host");
    const std::string seen = co_await std::move(reading);
    holds(seen == "hello guest\nhello guest\n" && !machine_.ending(), "and can be added in another place");
  }

  asio::awaitable<bool> answers_within(std::chrono::milliseconds limit) {
    auto pinging = ping();
    auto answered = ended_within(clock_, limit, std::move(pinging));
    co_return co_await std::move(answered);
  }
  asio::awaitable<void> ping() {
    auto pinged = machine_.control()->ping();
    co_await std::move(pinged);
  }

  asio::awaitable<void> it_stops_and_goes_on() {
    co_await machine_.pause();
    auto asking = answers_within(3s);
    const bool while_paused = co_await std::move(asking);
    holds(!while_paused, "a paused guest does not answer");
    co_await machine_.resume();
    auto asking_again = answers_within(30s);
    const bool resumed = co_await std::move(asking_again);
    holds(resumed, "a resumed one does");
  }

  asio::awaitable<void> its_links_are_made_anew() {
    auto starting = start("n=0; while :; do n=$((n+1)); echo $n > /run/counted; sleep 0.05; done");
    const link::StreamPtr counting = co_await std::move(starting);
    co_await counting->response();
    long before = 0;
    for (int round = 0; round < rounds; ++round) {
      co_await machine_.drop_links();
      if (machine_.linked()) throw Error("not so: dropped links are gone");
      co_await sleep_for(1s);
      co_await machine_.connect_links();
      auto reading = shell("cat /run/counted; kill -0 $(pgrep -o -f counted) && echo alive");
      const std::string seen = co_await std::move(reading);
      const long now = std::stol(seen);
      if (now <= before || seen.find("alive") == std::string::npos) {
        throw Error("not so: the process goes on: " + seen);
      }
      before = now;
    }
    holds(!machine_.ending(), "over dropped links a process of the guest goes on");
    auto reading = shell("cat /late/from-host");
    const std::string seen = co_await std::move(reading);
    holds(seen == "hello guest\n", "and its shares stay mounted");
  }

  vmspec::VmSpec spec_;
  std::string directory_;
  state::VmPaths paths_;
  SteadyClock clock_;
  machine::HostParts parts_;
  machine::Machine machine_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  signal(SIGPIPE, SIG_IGN);
  try {
    asio::io_context io(1);
    LiveMachine machine(io.get_executor(), vmspec::parse_vm_spec(read_file(argv[1])), argv[2]);
    run_to_end(io, machine.live());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "live_machine: %s\n", error.what());
    return 1;
  }
}
