// server_test.cpp - filling, giving, counting and limits of agentvm-poold, with keepers that the test plays.
#include "launcher/pool/server.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "tests/fakes/fake_clock.hpp"
#include "tests/unit/state/scratch.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

const vmspec::MachineShape shape{2, std::uint64_t{1} << 30, std::uint64_t{1} << 30, "the host's own under Linux 6.1.0"};

/// The other end of what the server has started.
struct PlayedKeeper {
  std::string pool;
  std::string name;
  std::optional<LineSocket> socket;
  std::shared_ptr<ChildProcess> process = {};  ///< what its pidfd is of

  bool is_killed() {
    const auto status = process->wait(std::chrono::milliseconds(200));
    return status && status->signal == SIGKILL;
  }
  void tell(const std::string& phase, std::uint32_t caller = 0) {
    KeeperState state{.name = name, .phase = phase, .boot_ms = 2000, .memory_bytes = 1000, .caller = caller};
    state.shape = shape;
    socket->write("state", to_json(state));
  }
};

class PlayedKeepers final : public Keepers {
 public:
  KeeperProcess start(const PoolConfig& pool) override {
    if (!failure.empty()) throw Error(failure);
    auto [ours, theirs] = socket_pair();
    const std::string name = "pool-" + pool.name + "-" + std::to_string(++started);
    auto process = std::make_shared<ChildProcess>(spawn({.program = "/bin/sleep", .args = {"600"}}));
    UniqueFd pidfd = open_pidfd(process->pid());
    keepers.push_back({pool.name, name, {}, std::move(process)});
    keepers.back().socket.emplace(std::move(ours));
    return {name, std::move(theirs), std::move(pidfd)};
  }
  std::vector<std::pair<std::string, KeeperProcess>> find(const std::vector<PoolConfig>& /*pools*/) override {
    return std::move(found);
  }
  vmspec::MachineShape shape(const PoolConfig& /*pool*/) override {
    if (!failure.empty()) throw Error(failure);
    return wanted;
  }

  std::string failure;
  vmspec::MachineShape wanted = pool::shape;
  int started = 0;
  std::list<PlayedKeeper> keepers;
  std::vector<std::pair<std::string, KeeperProcess>> found;
};

struct World {
  test::Scratch directory;
  asio::io_context io{1};
  FakeClock clock{io.get_executor()};
  PlayedKeepers keepers;
  std::optional<Server> server;
  bool served = false;

  void start(Config config) {
    server.emplace(io.get_executor(),
                   ServerOptions{.config = std::move(config),
                                 .listener = listen_unix(directory.path() + "/s"),
                                 .metrics_file = directory.path() + "/metrics",
                                 .own_uid = geteuid()},
                   keepers, clock);
    asio::co_spawn(io, server->serve(), [this](const std::exception_ptr& error) { served = !error; });
    turn();
  }
  ~World() {
    if (!server) return;
    server->end();
    turn();
    CHECK(served);
  }
  void turn() {
    io.restart();
    io.poll();
  }
  void advance(std::chrono::milliseconds time) {
    clock.advance(time);
    turn();
  }
  nlohmann::json pool(std::size_t index = 0) const { return server->status().at("pools").at(index); }
  PlayedKeeper& keeper(std::size_t index) { return *std::next(keepers.keepers.begin(), static_cast<long>(index)); }

  /// The next message for somebody; "" when none is there.
  std::string next(LineSocket& socket, Message* out = nullptr) {
    std::string name;
    asio::co_spawn(io, socket.read(), [&](const std::exception_ptr& error, std::optional<Message> message) {
      name = error ? "error" : message ? message->name : "end";
      if (message && out != nullptr) *out = std::move(*message);
    });
    turn();
    return name;
  }
  std::unique_ptr<LineSocket> call(const std::string& name, const nlohmann::json& body) {
    auto socket = std::make_unique<LineSocket>(connect_unix(directory.path() + "/s"));
    socket->write(name, body);
    turn();
    return socket;
  }
  std::unique_ptr<LineSocket> claim(const std::string& pool = "rust", vmspec::MachineShape wanted = shape) {
    return call("claim", to_json(Claim{pool, std::move(wanted), 1}));
  }
  std::unique_ptr<LineSocket> claim_as(uid_t uid) {
    chmod(directory.path().c_str(), 0711);
    chmod((directory.path() + "/s").c_str(), 0666);
    REQUIRE(seteuid(uid) == 0);
    auto socket = std::make_unique<LineSocket>(connect_unix(directory.path() + "/s"));
    REQUIRE(seteuid(0) == 0);
    socket->write("claim", to_json(Claim{"rust", shape, 1}));
    turn();
    return socket;
  }
  std::string refusal(LineSocket& caller) {
    Message message;
    if (next(caller, &message) != "refused") return "not refused";
    return message.body.at("reason").get<std::string>() + ": " + message.body.at("sentence").get<std::string>();
  }
};

Config config_of(unsigned size, unsigned at_once = 8) {
  Config config;
  config.pools = {{.name = "rust", .profile = "rust", .size = size}};
  config.boots_at_once = at_once;
  config.vms_per_user = 0;
  return config;
}

}  // namespace

namespace {

/// Planning has a thread of its own: time for it, and then for what follows from it.
void wait_planned(World& world) {
  world.io.restart();
  world.io.run_for(100ms);
  world.advance(1s);
}

}  // namespace

TEST_SUITE("pool/server") {
  TEST_CASE("a pool is filled so many at a time and refilled from the moment of a claim") {
    World world;
    world.start(config_of(3, 2));
    CHECK(world.keepers.started == 2);
    world.keeper(0).tell("idle");
    world.turn();
    CHECK(world.keepers.started == 3);
    world.keeper(1).tell("idle");
    world.keeper(2).tell("idle");
    world.turn();
    CHECK(world.keepers.started == 3);
    CHECK(world.pool().at("idle") == 3);
    CHECK(world.pool().at("memory_per_idle_bytes") == 1000);

    auto caller = world.claim();
    Message asked;
    REQUIRE(world.next(*world.keeper(0).socket, &asked) == "claim");
    CHECK(asked.body.at("listeners") == 1);
    REQUIRE(asked.fds.size() == 1);
    CHECK(world.keepers.started == 3);
    world.clock.advance(7ms);
    world.keeper(0).tell("claimed");
    world.turn();
    CHECK(world.keepers.started == 4);
    CHECK(world.pool().at("hits") == 1);
    CHECK(world.pool().at("claimed") == 1);
    CHECK(world.pool().at("claim_ms").at("p50") == 7);
    CHECK(world.pool().at("refill_ms").at("p50") == 2000);
    // The keeper has the caller to itself.
    LineSocket given(std::move(asked.fds.front()));
    given.write("claimed", nlohmann::json::object());
    CHECK(world.next(*caller) == "claimed");
  }

  TEST_CASE("a VM that does not answer is passed over and the next one taken") {
    World world;
    world.start(config_of(2));
    world.keeper(0).tell("idle");
    world.keeper(1).tell("idle");
    world.turn();
    auto caller = world.claim();
    SUBCASE("its keeper says so") {
      world.keeper(0).socket->write("failed", {{"sentence", "the guest did not answer"}});
      world.turn();
    }
    SUBCASE("its keeper dies") {
      world.keeper(0).socket.reset();
      world.turn();
    }
    SUBCASE("its keeper says nothing") {
      world.advance(4s);
    }
    Message asked;
    CHECK(world.next(*world.keeper(1).socket, &asked) == "claim");
    world.keeper(1).tell("claimed");
    world.turn();
    CHECK(world.pool().at("hits") == 1);
    CHECK(world.pool().at("misses") == 0);
  }

  TEST_CASE("a claim that comes to nothing says why") {
    World world;
    Config config = config_of(1);
    config.vms_per_user = 1;
    world.start(std::move(config));
    CHECK(world.refusal(*world.claim()) == "empty: the pool rust has no VM that is ready");
    CHECK(world.pool().at("misses") == 1);
    CHECK(world.refusal(*world.claim("rusty")) == "unknown: there is no pool 'rusty'");
    world.keeper(0).tell("idle");
    world.turn();
    vmspec::MachineShape other = shape;
    other.memory_bytes *= 2;
    CHECK(world.refusal(*world.claim("rust", other)) ==
          "shape: the pool's VMs have 1GiB of memory, and this run wants 2GiB");
    CHECK(world.pool().at("misses") == 1);
    auto first = world.claim();
    world.keeper(0).tell("claimed", geteuid());
    world.turn();
    CHECK(world.refusal(*world.claim()) ==
          "limit: uid " + std::to_string(geteuid()) + " has 1 VMs of the pools, which is as many as one user may have");
    // It counts as long as it lives.
    world.keeper(0).socket.reset();
    world.turn();
    world.keeper(1).tell("idle");
    world.turn();
    auto again = world.claim();
    CHECK(world.next(*world.keeper(1).socket) == "claim");
  }

  TEST_CASE("a claim under way counts and so does memory") {
    World world;
    Config config = config_of(2);
    SUBCASE("VMs") {
      config.vms_per_user = 1;
    }
    SUBCASE("memory") {
      config.memory_per_user = shape.memory_bytes * 3 / 2;
    }
    world.start(std::move(config));
    world.keeper(0).tell("idle");
    world.keeper(1).tell("idle");
    world.turn();
    const auto first = world.claim();
    REQUIRE(world.next(*world.keeper(0).socket) == "claim");
    CHECK(world.refusal(*world.claim()).starts_with("limit: uid "));
  }

  TEST_CASE("what becomes ready is kept for who found the pool empty and has fewer") {
    if (geteuid() != 0) {
      MESSAGE("skipped: only root can come as another user");
      return;
    }
    World world;
    world.start(config_of(2));
    world.keeper(0).tell("idle");
    world.turn();
    auto first = world.claim();
    world.keeper(0).tell("claimed", 0);
    world.turn();
    CHECK(world.refusal(*world.claim_as(1001)) == "empty: the pool rust has no VM that is ready");
    world.keeper(1).tell("idle");
    world.turn();
    CHECK(world.refusal(*world.claim())
              .starts_with("kept: what the pool rust has ready is kept for users who have fewer"));
    SUBCASE("it comes again") {
      auto theirs = world.claim_as(1001);
      CHECK(world.next(*world.keeper(1).socket) == "claim");
      world.keeper(1).tell("claimed", 1001);
      world.keeper(2).tell("idle");
      world.turn();
      auto second = world.claim();
      CHECK(world.next(*world.keeper(2).socket) == "claim");
    }
    SUBCASE("there are more than it needs") {
      world.keeper(2).tell("idle");
      world.turn();
      auto second = world.claim();
      CHECK(world.next(*world.keeper(1).socket) == "claim");
    }
    SUBCASE("it does not come within a minute") {
      world.advance(61s);
      auto second = world.claim();
      CHECK(world.next(*world.keeper(1).socket) == "claim");
    }
  }

  TEST_CASE("one user's connections do not keep the others out") {
    World world;
    world.start(config_of(1));
    std::vector<std::unique_ptr<LineSocket>> idle;
    for (int i = 0; i < 128; ++i) {
      idle.push_back(std::make_unique<LineSocket>(connect_unix(world.directory.path() + "/s")));
      world.turn();
    }
    CHECK(world.next(*world.call("status", nlohmann::json::object())) != "status");
    if (geteuid() == 0) CHECK(world.refusal(*world.claim_as(1001)) == "empty: the pool rust has no VM that is ready");
    world.advance(5s);  // nothing was asked on them
    CHECK(world.next(*world.call("status", nlohmann::json::object())) == "status");
  }

  TEST_CASE("the keeper of a VM that is not wanted and does not end is killed") {
    World world;
    world.start(config_of(1));
    world.keeper(0).tell("idle");
    world.turn();
    const auto resized = world.call("resize", {{"pool", "rust"}, {"size", 0}});
    CHECK(world.next(*world.keeper(0).socket) == "retire");
    CHECK_FALSE(world.keeper(0).is_killed());
    world.advance(29s);
    CHECK_FALSE(world.keeper(0).is_killed());
    world.advance(1s);
    CHECK(world.keeper(0).is_killed());
  }

  TEST_CASE("VMs that do not come up are tried again ever more slowly") {
    World world;
    world.start(config_of(1));
    int expected = 1;
    for (const auto rest : {1s, 2s, 4s, 8s}) {
      CHECK(world.keepers.started == expected);
      world.keeper(static_cast<std::size_t>(expected) - 1).socket.reset();
      world.turn();
      world.advance(rest - 1ms);
      CHECK(world.keepers.started == expected);
      world.advance(1ms);
      ++expected;
    }
    CHECK(world.keepers.started == expected);
    CHECK(world.pool().at("failures") == 4);
    CHECK(world.pool().at("last_failure") == "pool-rust-4: its keeper went away");
    world.keeper(4).tell("idle");
    world.turn();
    world.keeper(4).socket.reset();
    world.turn();
    world.advance(1s);
    CHECK(world.keepers.started == 6);
  }

  TEST_CASE("VMs of an earlier poold are known again and those of no pool are let go") {
    World world;
    auto [mine, of_rust] = socket_pair();
    auto [others, of_gone] = socket_pair();
    PlayedKeeper kept{"rust", "pool-rust-old", {}};
    kept.socket.emplace(std::move(mine));
    LineSocket gone(std::move(others));
    world.keepers.found.emplace_back("rust", KeeperProcess{"pool-rust-old", std::move(of_rust), {}});
    world.keepers.found.emplace_back("gone", KeeperProcess{"pool-gone-old", std::move(of_gone), {}});
    world.start(config_of(1));
    CHECK(world.keepers.started == 0);
    CHECK(world.next(gone) == "retire");
    kept.tell("idle");
    world.turn();
    CHECK(world.pool().at("idle") == 1);
    CHECK(world.pool().at("vms").at(0).at("name") == "pool-rust-old");
  }

  TEST_CASE("a pool is resized and drained by its owner") {
    World world;
    world.start(config_of(1));
    world.keeper(0).tell("idle");
    world.turn();
    auto resized = world.call("resize", {{"pool", "rust"}, {"size", 3}});
    CHECK(world.next(*resized) == "status");
    CHECK(world.keepers.started == 3);
    world.keeper(1).tell("idle");
    world.turn();
    auto smaller = world.call("resize", {{"pool", "rust"}, {"size", 1}});
    CHECK(world.next(*world.keeper(0).socket) == "retire");
    world.keeper(0).socket.reset();
    world.turn();
    auto drained = world.call("drain", {{"pool", "rust"}});
    CHECK(world.next(*world.keeper(1).socket) == "retire");
    CHECK(world.refusal(*world.claim()).starts_with("ending: "));
    world.keeper(1).socket.reset();
    world.keeper(2).socket.reset();
    world.turn();
    CHECK(world.next(*drained) == "status");
    CHECK(world.refusal(*world.call("drain", {{"pool", "x"}})) == "unknown: there is no pool 'x'");
    CHECK(world.refusal(*world.call("shine", nlohmann::json::object())) == "unknown: agentvm-poold cannot do 'shine'");
  }

  TEST_CASE("an old VM is replaced one at a time") {
    World world;
    Config config = config_of(2);
    config.pools[0].max_age = 1h;
    world.start(std::move(config));
    for (std::size_t index : {0U, 1U}) world.keeper(index).tell("idle");  // born in 1970
    world.turn();
    world.advance(1s);
    CHECK(world.next(*world.keeper(0).socket) == "retire");
    CHECK(world.keepers.started == 3);
    CHECK(world.pool().at("idle") == 1);
  }

  TEST_CASE("a VM of an earlier poold that is not what the pool wants now is replaced") {
    World world;
    auto [theirs, ours] = socket_pair();
    PlayedKeeper old{.pool = "rust", .name = "pool-rust-old", .socket = {}};
    old.socket.emplace(std::move(theirs));
    world.keepers.found.emplace_back("rust", KeeperProcess{old.name, std::move(ours), {}});
    SUBCASE("another machine") {
      world.keepers.wanted.memory_bytes *= 2;
      world.start(config_of(1));
      old.tell("idle");
      wait_planned(world);
      CHECK(world.next(*old.socket) == "retire");
      CHECK(world.keepers.started == 1);
    }
    SUBCASE("the same") {
      world.start(config_of(1));
      old.tell("idle");
      wait_planned(world);
      CHECK(world.pool().at("idle") == 1);
      CHECK(world.keepers.started == 0);
    }
    SUBCASE("a plan that fails says nothing of it") {
      world.keepers.failure = "no such profile";
      world.start(config_of(1));
      old.tell("idle");
      wait_planned(world);
      CHECK(world.pool().at("idle") == 1);
    }
  }

  TEST_CASE("figures are OpenMetrics text") {
    World world;
    world.start(config_of(1));
    world.keeper(0).tell("idle");
    world.turn();
    const std::string text = world.server->metrics();
    CHECK(text.find("# TYPE agentvm_pool_vms gauge\n") == 0);
    CHECK(text.find("agentvm_pool_vms{pool=\"rust\",phase=\"idle\"} 1\n") != std::string::npos);
    CHECK(text.find("agentvm_pool_hits_total{pool=\"rust\"} 0\n") != std::string::npos);
    CHECK(text.find("agentvm_pool_refill_seconds{pool=\"rust\",quantile=\"0.5\"} 2\n") != std::string::npos);
    CHECK(text.ends_with("# EOF\n"));
    CHECK(access((world.directory.path() + "/metrics").c_str(), R_OK) == 0);
  }
}

}  // namespace agentvm::pool
