// share_server_test.cpp - virtiofsd's arguments, and servers that fail, end and are ended.
#include "launcher/machine/share_server.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "launcher/host/programs.hpp"
#include "launcher/state/vm_directory.hpp"
#include "tests/unit/base/swapper.hpp"

using namespace agentvm;
using namespace agentvm::workspace;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

using Arguments = std::vector<std::string>;

struct SharingHost {
  std::string root = "/tmp/agentvm-share-test-XXXXXX";
  asio::io_context io;

  SharingHost() {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    make_directories(root + "/shared");
  }
  SharingHost(const SharingHost&) = delete;
  SharingHost& operator=(const SharingHost&) = delete;
  ~SharingHost() { remove_tree(root); }

  /// A program in virtiofsd's place.
  std::string program(const std::string& text) const {
    write_file_atomic(root + "/virtiofsd", "#!/bin/sh\n" + text + "\n", 0700);
    return root + "/virtiofsd";
  }
  ShareServerOptions options(const std::string& virtiofsd) const {
    return {.share = {.tag = "ws", .source = root + "/shared", .mount_point = "/ws", .read_only = false},
            .directory = HeldDirectory::resolve(root + "/shared"),
            .virtiofsd = virtiofsd,
            .mount_place = root + "/place",
            .socket = root + "/fs.sock",
            .log = root + "/virtiofsd.log",
            .instance = "5d3a2c9e-0000-4000-8000-000000000001",
            .identity = {.caller_uid = getuid(), .caller_gid = getgid(), .owner_uid = getuid(), .owner_gid = getgid()}};
  }
  std::optional<Error> end_of(ShareServer& server) {
    std::optional<Error> error;
    const auto wait = [&]() -> asio::awaitable<void> { error = co_await server.ended(); };
    asio::co_spawn(io, wait(), asio::detached);
    io.restart();
    io.run_for(10s);
    return error;
  }
  bool is_there(const std::string& name) const { return access((root + "/" + name).c_str(), F_OK) == 0; }
};

bool running(const ShareServer& server) {
  pollfd item{server.pidfd(), POLLIN, 0};
  return poll(&item, 1, 0) == 0;
}

/// Its number, our own when the process has no other (or is gone).
ino_t mount_namespace(pid_t pid) {
  struct stat info {};
  if (stat(("/proc/" + std::to_string(pid) + "/ns/mnt").c_str(), &info) < 0) stat("/proc/self/ns/mnt", &info);
  return info.st_ino;
}

/// The real one, or nullopt: `./dev setup` puts it into the caller's cache or, as root, into the machine's.
std::optional<std::string> real_virtiofsd() {
  if (auto found = host::find_tool("virtiofsd", state::user_roots().cache)) return found;
  return host::find_tool("virtiofsd", "/var/cache/agentvm");
}

}  // namespace

TEST_CASE("a system tree is read-only and root's") {
  const vmspec::ShareSpec share{.tag = "usr", .source = "/usr", .mount_point = "/usr"};
  CHECK(virtiofsd_arguments(share, share.source,
                            {.caller_uid = 1234, .caller_gid = 1234, .owner_uid = 1234, .owner_gid = 1234}, 7) ==
        Arguments{"--fd=7", "--shared-dir=/usr", "--sandbox=namespace", "--no-announce-submounts",
                  "--inode-file-handles=never", "--log-level=warn", "--translate-uid=squash-host:0:0:4294967295",
                  "--translate-gid=squash-host:0:0:4294967295", "--readonly", "--cache=always"});
}

TEST_CASE("a workspace's files are the caller's no matter who writes in the guest") {
  const vmspec::ShareSpec share{.tag = "ws",
                                .source = "/home/me/ws",
                                .mount_point = "/workspace",
                                .read_only = false,
                                .owner = vmspec::ShareOwner::caller};
  CHECK(virtiofsd_arguments(share, share.source,
                            {.caller_uid = 1234, .caller_gid = 99, .owner_uid = 1234, .owner_gid = 99}, 9) ==
        Arguments{"--fd=9", "--shared-dir=/home/me/ws", "--sandbox=namespace", "--no-announce-submounts",
                  "--inode-file-handles=never", "--log-level=warn", "--translate-uid=squash-guest:0:1234:4294967295",
                  "--translate-gid=squash-guest:0:99:4294967295", "--translate-uid=host:1234:1000:1",
                  "--translate-gid=host:99:1000:1", "--cache=auto"});
}

TEST_CASE("the guest keeps only what does not change under a running VM") {
  const auto cache = [](vmspec::ShareSpec share) {
    const Arguments arguments = virtiofsd_arguments(share, share.source, {.caller_uid = 1, .owner_uid = 1}, 3);
    return *std::find_if(arguments.begin(), arguments.end(),
                         [](const auto& one) { return one.starts_with("--cache"); });
  };
  using vmspec::ShareOwner;
  CHECK(cache({.tag = "ro-store", .source = "/nix/store", .mount_point = "/nix/.ro-store"}) == "--cache=always");
  CHECK(cache({.tag = "expose2", .source = "/opt/x", .mount_point = "/opt/x"}) == "--cache=auto");
  CHECK(cache({.tag = "workspace", .source = "/w", .mount_point = "/w", .owner = ShareOwner::caller}) ==
        "--cache=auto");
}

TEST_CASE("root serves another's workspace without the capabilities to make devices or file capabilities") {
  const vmspec::ShareSpec share{
      .tag = "ws", .source = "/ws", .mount_point = "/ws", .read_only = false, .owner = vmspec::ShareOwner::caller};
  const Arguments arguments = virtiofsd_arguments(share, share.source, {.owner_uid = 1000, .owner_gid = 1000}, 3);
  CHECK(arguments.back() == "--modcaps=-mknod:-setfcap:-fsetid");
  CHECK(std::count(arguments.begin(), arguments.end(), "--translate-uid=squash-guest:0:1000:4294967295") == 1);
}

TEST_CASE("an ordinary user cannot serve another's workspace") {
  const vmspec::ShareSpec share{
      .tag = "ws", .source = "/ws", .mount_point = "/ws", .read_only = false, .owner = vmspec::ShareOwner::caller};
  CHECK_THROWS_WITH_AS(
      virtiofsd_arguments(share, share.source, {.caller_uid = 5, .caller_gid = 5, .owner_uid = 6, .owner_gid = 6}, 3),
      doctest::Contains("would have to belong to uid 6"), Error);
}

TEST_CASE("a virtiofsd that cannot make its sandbox is quoted with what to allow") {
  SharingHost host;
  ShareServer server(
      host.options(host.program("echo '[2026-01-01T00:00:00Z ERROR virtiofsd] Error creating sandbox: EPERM' >&2\n"
                                "echo '[2026-01-01T00:00:00Z WARN virtiofsd] later' >&2; exit 1")));
  const auto error = host.end_of(server);
  REQUIRE(error);
  CHECK(std::string(error->what()) == "virtiofsd for " + host.root + "/shared ended: Error creating sandbox: EPERM");
  CHECK(error->hint().find("user.max_user_namespaces") != std::string::npos);
}

TEST_CASE("a server that cannot be started leaves no socket") {
  SharingHost host;
  CHECK_THROWS_WITH_AS(ShareServer(host.options("/no/such/virtiofsd")), doctest::Contains("/no/such/virtiofsd"), Error);
  CHECK_FALSE(host.is_there("fs.sock"));
  ShareServerOptions options = host.options(host.program("exit 0"));
  options.directory = {};
  CHECK_THROWS_WITH_AS(ShareServer{options}, doctest::Contains("no directory is held"), Error);
  CHECK_FALSE(host.is_there("fs.sock"));
}

TEST_CASE("a server has a small environment and its own group and goes with everything it started") {
  SharingHost host;
  pid_t worker = 0;
  {
    ShareServer server(host.options(host.program("env >&2; sleep 100 & echo ready >&2; wait")));
    while (read_file(host.root + "/virtiofsd.log").find("ready") == std::string::npos) usleep(1000);
    const std::string log = read_file(host.root + "/virtiofsd.log");
    CHECK(log.find("AGENTVM_INSTANCE=5d3a2c9e-0000-4000-8000-000000000001\n") != std::string::npos);
    CHECK(log.find("HOME=") == std::string::npos);
    const auto processes = server.processes();
    REQUIRE(processes.size() == 2);
    worker = processes[1];
    CHECK(host.is_there("fs.sock"));
    ShareServer moved(std::move(server));
    CHECK(moved.tag() == "ws");
  }
  CHECK_FALSE(host.is_there("fs.sock"));
  // Gone, or a zombie that waits for init.
  const auto status = read_file_if_exists("/proc/" + std::to_string(worker) + "/stat");
  CHECK((!status || status->find(") Z ") != std::string::npos));
}

TEST_CASE("who exchanges the directory for another never has the other one shared: 200 starts") {
  SharingHost host;
  write_file_atomic(host.root + "/shared/mark", "mine");
  make_directories(host.root + "/secret");
  write_file_atomic(host.root + "/secret/mark", "secret");
  const std::string program =
      host.program("for word; do case $word in --shared-dir=*) cat \"${word#--shared-dir=}/mark\" >&2;; esac; done");
  const ShareServerOptions options = host.options(program);
  {
    const test::Swapper swapper(host.root + "/shared", host.root + "/secret");
    for (int round = 0; round < 200; ++round) {
      ShareServer server(options);
      pollfd item{server.pidfd(), POLLIN, 0};
      REQUIRE(poll(&item, 1, 10'000) == 1);
    }
    CHECK(swapper.swaps() > 200);
  }
  std::string expected;
  for (int round = 0; round < 200; ++round) expected += "mine";
  CHECK(read_file(host.root + "/virtiofsd.log") == expected);
  CHECK_FALSE(host.is_there("place"));
}

TEST_CASE("the real virtiofsd stands in its sandbox and ends with its client") {
  const auto virtiofsd = real_virtiofsd();
  if (!virtiofsd) {
    MESSAGE("skipped: virtiofsd is not installed (./dev setup)");
    return;
  }
  SharingHost host;
  ShareServer server(host.options(*virtiofsd));
  {
    const UniqueFd client = connect_unix(host.root + "/fs.sock");
    // Its worker appears, and moves away from our file system.
    bool sandboxed = false;
    for (int round = 0; round < 5000 && !sandboxed && running(server); ++round) {
      usleep(1000);
      const auto processes = server.processes();
      sandboxed = processes.size() == 2 && mount_namespace(processes[1]) != mount_namespace(getpid());
    }
    if (!sandboxed) {
      REQUIRE_FALSE(running(server));
      const auto error = host.end_of(server);
      REQUIRE(error);
      MESSAGE("skipped: no sandbox here: ", error->what());
      return;
    }
  }
  const auto error = host.end_of(server);
  REQUIRE(error);
  CHECK(std::string(error->what()).find("virtiofsd for " + host.root) == 0);
}
