// mcp_gateway_test.cpp - a small server in the real sandbox behind the gateway: calls, refusals, ends, floods.
#include "launcher/gateway/mcp/mcp_gateway.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <string>

#include "tests/unit/gateway/mcp/mcp_world.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using namespace std::chrono_literals;
using gateway::McpGateway;
using gateway::McpLimits;
using link::StreamPtr;
using nlohmann::json;
using namespace agentvm::test;

namespace {

bool is_alive(pid_t pid) {
  return ::kill(pid, 0) == 0;
}

}  // namespace

TEST_SUITE("gateway/mcp_gateway") {
  TEST_CASE("calls and answers pass untouched and are told") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      co_await world.mcp->prestart();
      const auto pids = world.mcp->processes();
      REQUIRE(pids.size() == 1);
      const StreamPtr stream = co_await world.connect();
      CHECK(world.mcp->processes() == pids);
      co_await stream->write("{\"jsonrpc\":\"2.0\", \"id\":0,  \"method\":\"initialize\"}\n" +
                             call(1, "echo", R"({"a":"b"})"));
      const std::string text = co_await read_until(stream, "\"id\": 1");
      CHECK(text.starts_with("{\"jsonrpc\": \"2.0\", \"id\": 0, \"result\": {\"method\": \"initialize\"}}\n"));
      stream->finish();
      CHECK((co_await stream->read_all(1 << 20)).find("started") == std::string::npos);
    });
    REQUIRE(world.events.size() == 1);
    const json& event = world.events[0];
    CHECK(event["event"] == "mcp-call");
    CHECK(event["server"] == "test");
    CHECK(event["tool"] == "echo");
    CHECK(event["arguments"] == json{{"a", "b"}});
    CHECK(event["ok"] == true);
    CHECK(event["refused"] == false);
    CHECK(event["text"] == "{\"a\": \"b\"}");
    CHECK(event["ms"].is_number());
    CHECK(read_file(world.folder + "/mcp.log") == "started\n");
    CHECK(world.mcp->processes().empty());
  }

  TEST_CASE("refused calls never reach the server") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "echo", R"({"action":"store"})") + "nonsense\n" + std::string(2 << 20, 'x') +
                             "\n" + call(2, "echo", R"({"action":"search"})"));
      const std::string text = co_await read_until(stream, "\"id\": 2");
      CHECK(text.find("\"isError\":true") != std::string::npos);
      CHECK(text.find("-32700") != std::string::npos);
      CHECK(text.find("1048576 bytes at most") != std::string::npos);
      stream->reset();
    });
    REQUIRE(world.events.size() == 2);
    CHECK(world.events[0]["refused"] == true);
    CHECK(world.events[0]["ok"] == false);
    CHECK(world.events[0]["text"].get<std::string>().find("Refused by agentvm") == 0);
    CHECK(world.events[1]["refused"] == false);
  }

  TEST_CASE("what the server can see") {
    if (!sandbox_works()) return;
    McpWorld world;
    const char* variable = getenv("HOME");
    const std::string home = variable != nullptr ? variable : "/root";
    json seen;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "look", R"({"home":")" + home + R"("})"));
      const std::string line = co_await read_until(stream, "\n");
      seen = json::parse(json::parse(line)["result"]["content"][0]["text"].get<std::string>());
      stream->finish();
    });
    for (const auto& name : seen["root"]) {
      const std::string text = name;
      CHECK_MESSAGE(std::string("bin dev etc lib lib32 lib64 libx32 proc sbin tmp usr").find(text) != std::string::npos,
                    text);
    }
    CHECK(seen["home"].is_string());  // an error: it is not there
    for (const auto& name : seen["etc"]) CHECK(name != "shadow");
    CHECK(seen["processes"].size() <= 3);
    CHECK(seen["uid"] == 65534);
    CHECK(seen["cwd"] == "/tmp");
    CHECK(seen["writable"] == false);
    CHECK(seen["instance"] == "uuid-1");
    CHECK(seen["passwd"] == "nobody:x:65534:65534:nobody:/tmp:/usr/sbin/nologin\n");
  }

  TEST_CASE("the guest's end waits for outstanding answers") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "slow", R"({"seconds":0.5})"));
      stream->finish();
      CHECK((co_await stream->read_all(1 << 20)).find("slowly") != std::string::npos);
    });
    CHECK(world.events.at(0)["ok"] == true);
  }

  TEST_CASE("but not for ever nor for a server that stays") {
    if (!sandbox_works()) return;
    McpLimits limits;
    limits.drain_time = 200ms;
    limits.exit_time = 200ms;
    McpWorld world(limits);
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "slow", R"({"seconds":600})"));
      stream->finish();
      const auto start = std::chrono::steady_clock::now();
      CHECK((co_await stream->read_all(1 << 20)).empty());
      CHECK(std::chrono::steady_clock::now() - start < 5s);
    });
    CHECK(world.events.at(0)["ok"] == false);
    CHECK(world.events.at(0)["text"] == "no answer: the connection ended");
    CHECK(world.mcp->processes().empty());
  }

  TEST_CASE("a cancelled call is not waited for") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(
          call(1, "silent") +
          "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}\n");
      stream->finish();
      const auto start = std::chrono::steady_clock::now();
      co_await stream->read_all(1 << 20);
      CHECK(std::chrono::steady_clock::now() - start < 10s);
    });
    CHECK(world.events.at(0)["text"] == "cancelled by the agent");
  }

  TEST_CASE("a dropped connection kills its server") {
    if (!sandbox_works()) return;
    McpWorld world;
    pid_t pid = 0;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      pid = world.mcp->processes().at(0);
      co_await stream->write(call(1, "slow", R"({"seconds":600})"));
      co_await sleep_for(200ms);
      CHECK(is_alive(pid));
      stream->reset();
      while (!world.mcp->processes().empty()) co_await sleep_for(10ms);
    });
    CHECK_FALSE(is_alive(pid));
    CHECK(world.events.size() == 1);
  }

  TEST_CASE("a server that dies ends the connection and the next one gets a new server") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "die") + call(2, "echo"));
      const std::string text = co_await stream->read_all(1 << 20);
      CHECK(text.find("bye") != std::string::npos);
      const StreamPtr next = co_await world.connect();
      co_await next->write(call(3, "echo"));
      co_await read_until(next, "\"id\": 3");
      next->finish();
    });
    REQUIRE(world.events.size() == 4);
    CHECK(world.events[1]["text"] == "no answer: the connection ended");
    CHECK(world.events[2]["event"] == "mcp-ended");
    CHECK(world.events[2]["code"] == 3);
  }

  TEST_CASE("a reply of ours never falls into a line of the server's") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "half", R"({"seconds":0.4})"));
      std::string text = co_await read_until(stream, "{\"jsonrpc");
      co_await stream->write("nonsense\n");
      text = co_await read_until(stream, "-32700", text);
      text = co_await read_until(stream, "\n", text.substr(text.find("-32700")));
      stream->finish();
      co_await stream->read_all(1 << 20);
    });
    CHECK(world.events.at(0)["ok"] == true);
  }

  TEST_CASE("ids that are in use and too many of them") {
    if (!sandbox_works()) return;
    McpLimits limits;
    limits.outstanding = 2;
    McpWorld world(limits);
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "silent") + call(1, "echo"));
      co_await read_until(stream, "still pending");
      co_await stream->write(call(2, "silent") + call(3, "echo"));
      co_await read_until(stream, "too many requests");
      stream->reset();
      while (!world.mcp->processes().empty()) co_await sleep_for(10ms);
    });
    CHECK(world.events.size() == 4);
  }

  TEST_CASE("large lines pass while too large ones end the connection") {
    if (!sandbox_works()) return;
    McpLimits limits;
    limits.reply_line_bytes = 4 << 20;
    McpWorld world(limits);
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "big", R"({"bytes":3145728})"));
      co_await read_until(stream, "\n");
      co_await stream->write(call(2, "big", R"({"bytes":5242880})"));
      CHECK_THROWS_AS(co_await stream->read_all(10 << 20), Error);
    });
    CHECK(world.events.at(0)["text"].get<std::string>().size() == 300);
    CHECK(world.events.at(1)["ok"] == false);
  }

  TEST_CASE("a guest that reads nothing stops its server and not the gateway") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr lazy = co_await world.connect();
      co_await lazy->write(call(1, "big", R"({"bytes":8388608})"));
      const StreamPtr other = co_await world.connect();
      co_await other->write(call(1, "echo"));
      co_await read_until(other, "\"id\": 1");
      other->finish();
      const std::string text = co_await read_until(lazy, "\n");
      CHECK(text.size() > (8 << 20));
      lazy->finish();
    });
  }

  TEST_CASE("stderr goes to the log up to its limit") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "noise", R"({"bytes":3145728})"));
      co_await read_until(stream, "done");
      stream->finish();
      co_await stream->read_all(1000);
    });
    const std::string log = read_file(world.folder + "/mcp.log");
    CHECK(log.size() < (1 << 20) + 100);
    CHECK(log.ends_with("[agentvm: the log is full, the rest is left out]\n"));
  }

  TEST_CASE("connections have a limit") {
    if (!sandbox_works()) return;
    McpLimits limits;
    limits.connections = 1;
    McpWorld world(limits);
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr first = co_await world.connect();
      CHECK_THROWS_WITH_AS(co_await world.connect(), doctest::Contains("limit"), Error);
      first->finish();
      co_await first->closed();
      const StreamPtr again = co_await world.connect();
      again->finish();
    });
  }

  TEST_CASE("a gateway that is destroyed takes its servers with it") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      co_await world.mcp->prestart();
      const StreamPtr first = co_await world.connect();
      co_await world.mcp->prestart();
      const auto pids = world.mcp->processes();
      REQUIRE(pids.size() == 2);
      world.mcp.reset();
      for (const pid_t pid : pids) CHECK_FALSE(is_alive(pid));
      CHECK((co_await first->read_all(1000)).empty());
    });
  }

  TEST_CASE("without a sandbox there is no server") {
    McpWorld none({}, "");
    none.test([&]() -> asio::awaitable<void> {
      CHECK_THROWS_WITH_AS(co_await none.mcp->prestart(), doctest::Contains("needs bubblewrap"), Error);
      CHECK_THROWS_WITH_AS(co_await none.connect(), doctest::Contains("bubblewrap"), Error);
    });
    McpWorld broken({}, "/bin/false");
    broken.test([&]() -> asio::awaitable<void> {
      CHECK_THROWS_WITH_AS(co_await broken.mcp->prestart(), doctest::Contains("mcp.test: the sandbox"), Error);
      CHECK(broken.mcp->processes().empty());
    });
  }
}
