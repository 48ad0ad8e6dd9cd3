// event_log_test.cpp - events reach late and live followers whole, and a flood of them is bounded.
#include "launcher/supervisor/event_log.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "tests/unit/supervisor/served_link.hpp"

using namespace agentvm;
using namespace std::chrono_literals;

TEST_SUITE("supervisor/event_log") {
  TEST_CASE("a follower gets what was before it and what comes after and then the end") {
    std::string path = "/tmp/agentvm-events-XXXXXX";
    REQUIRE(close(mkstemp(path.data())) == 0);
    supervisor::EventLog* log = nullptr;
    test::ServedLink pair(
        [&](link::StreamPtr stream) -> boost::asio::awaitable<void> { co_await log->follow(stream); });
    supervisor::EventLog events(pair.io.get_executor(), path);
    log = &events;
    events.add("first", {{"n", 1}});
    pair.run([&]() -> boost::asio::awaitable<void> {
      const link::StreamPtr stream = pair.client->open("GET", "/events", {}, true);
      const std::string old = co_await stream->read();
      CHECK(nlohmann::json::parse(old).at("event") == "first");
      events.add("second", {{"text", "not UTF-8: \xff"}});
      const std::string live = co_await stream->read();
      CHECK(nlohmann::json::parse(live).at("event") == "second");
      events.close();
      const std::string rest = co_await stream->read();
      CHECK(rest.empty());
    });
    CHECK(nlohmann::json::parse(events.collected("first")).size() == 1);
    const std::string file = read_file(path);
    CHECK(std::count(file.begin(), file.end(), '\n') == 2);
    unlink(path.c_str());
  }

  TEST_CASE("what a guest causes is bounded by kind and what tells of the run always passes") {
    boost::asio::io_context io;
    supervisor::EventLog events(io.get_executor(), "/dev/null");
    const auto none = nlohmann::json::object();
    for (std::size_t i = 0; i < supervisor::EventLog::max_of_a_kind + 5; ++i) events.add_of_guest("mcp-call", none);
    CHECK(events.dropped() == std::map<std::string, std::uint64_t>{{"mcp-call", 5}});
    CHECK(events.add_of_guest("command", none));
    for (const char* name : {"agent-ended", "failed", "stopped"}) {
      events.add(name, none);
      CHECK(nlohmann::json::parse(events.collected(name)).size() == 1);
    }
    CHECK(nlohmann::json::parse(events.collected("mcp-call")).size() == supervisor::EventLog::max_of_a_kind);
  }

  TEST_CASE("large events of a guest count by their bytes") {
    boost::asio::io_context io;
    supervisor::EventLog events(io.get_executor(), "/dev/null");
    const nlohmann::json large{{"text", std::string(1 << 20, 'x')}};
    int kept = 0;
    while (events.add_of_guest("mcp-call", large)) ++kept;
    CHECK(kept == 8);
  }
}
