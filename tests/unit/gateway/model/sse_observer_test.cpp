// sse_observer_test.cpp - commands seen in a stream of events, whatever the pieces, and nothing else.
#include "launcher/gateway/model/sse_observer.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

using namespace agentvm::gateway;
using nlohmann::json;

namespace {

std::string event(const json& item) {
  return "event: response.output_item.done\ndata: " +
         json({{"type", "response.output_item.done"}, {"item", item}}).dump() + "\n\n";
}

std::string item_call(const std::string& name, const json& arguments) {
  return event({{"type", "function_call"}, {"name", name}, {"arguments", arguments.dump()}});
}

std::vector<std::string> seen(const std::string& stream, std::size_t piece) {
  std::vector<std::string> commands;
  SseObserver observer([&](std::string command) { commands.push_back(std::move(command)); });
  for (std::size_t at = 0; at < stream.size(); at += piece) observer.feed(std::string_view(stream).substr(at, piece));
  return commands;
}

}  // namespace

TEST_SUITE("gateway/sse_observer") {
  TEST_CASE("commands of all the shapes in pieces of any size") {
    const std::string stream =
        item_call("exec_command", {{"cmd", "make test"}}) + "data: {\"type\":\"response.output_text.delta\"}\r\n\r\n" +
        item_call("shell", {{"command", {"bash", "-lc", "ls"}}}) + item_call("local_shell", {{"command", {"pwd"}}}) +
        event({{"type", "local_shell_call"}, {"action", {{"type", "exec"}, {"command", {"id", "-u"}}}}}) +
        item_call("nix", {{"cmd", "not a shell"}}) + event({{"type", "message"}}) + "data: [DONE]\n\n";
    const std::vector<std::string> expected = {"make test", "bash -lc ls", "pwd", "id -u"};
    for (const std::size_t piece : {1, 7, 64, 100000}) CHECK(seen(stream, piece) == expected);
  }

  TEST_CASE("a command is cut to 300 bytes between characters") {
    std::string long_command = std::string(299, 'x') + "\u00e4\u00e4";
    const auto commands = seen(item_call("exec_command", {{"cmd", long_command}}), 1000);
    REQUIRE(commands.size() == 1);
    CHECK(commands[0] == std::string(299, 'x'));
  }

  TEST_CASE("a line over 1 MiB is skipped and the next one is not") {
    const std::string big = item_call("exec_command", {{"cmd", std::string(2 << 20, 'x')}});
    for (const std::size_t piece : {65536, 10 << 20}) {
      CHECK(seen(big + item_call("exec_command", {{"cmd", "after"}}), piece) == std::vector<std::string>{"after"});
    }
  }

  TEST_CASE("nonsense is passed over") {
    const std::string mark = "response.output_item.done";
    for (const std::string& data :
         {mark, "{\"type\":\"" + mark + "\"}", "{\"type\":\"" + mark + "\",\"item\":[]}",
          "{\"type\":\"" + mark + "\",\"item\":{\"type\":\"function_call\",\"name\":\"shell\",\"arguments\":\"nope\"}}",
          "{\"type\":\"" + mark + "\",\"item\":{\"type\":\"function_call\",\"name\":\"shell\",\"arguments\":\"[1]\"}}",
          "{\"type\":\"" + mark + "\",\"item\":{\"type\":\"function_call\",\"name\":5}}",
          std::string(100000, '[') + mark}) {
      CHECK(command_in_event(data) == "");
    }
  }
}
