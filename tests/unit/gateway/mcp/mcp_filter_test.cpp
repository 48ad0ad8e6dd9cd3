// mcp_filter_test.cpp - what the guest may say, and the tricks to say something else than it seems.
#include "launcher/gateway/mcp/mcp_filter.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

using namespace agentvm;
using gateway::McpFilter;
using gateway::McpVerdict;
using nlohmann::json;
using Action = McpVerdict::Action;

namespace {

McpFilter nixos() {
  vmspec::McpSpec spec;
  spec.name = "nixos";
  spec.tools_deny = {"danger"};
  spec.arguments_deny = {{"nix", {{"action", {"flake-inputs", "store"}}, {"limit", {"666"}}, {"force", {"true"}}}}};
  return McpFilter(spec);
}

std::string tool_call(const json& arguments, const std::string& tool = "nix", const json& id = 1) {
  return json{
      {"jsonrpc", "2.0"}, {"id", id}, {"method", "tools/call"}, {"params", {{"name", tool}, {"arguments", arguments}}}}
      .dump();
}

/// The reply to a refused line.
json refused(const std::string& line, const McpFilter& filter = nixos()) {
  const McpVerdict verdict = filter.judge(line);
  REQUIRE_MESSAGE(verdict.action == Action::refuse, line.substr(0, 200));
  CHECK_FALSE(verdict.reason.empty());
  REQUIRE(verdict.reply.ends_with("\n"));
  CHECK(verdict.reply.find('\n') == verdict.reply.size() - 1);
  const json reply = json::parse(verdict.reply);
  CHECK(reply["jsonrpc"] == "2.0");
  CHECK(reply.contains("id"));
  return reply;
}

bool passes(const std::string& line, const McpFilter& filter = nixos()) {
  return filter.judge(line).action == Action::pass;
}

/// The text the agent's model reads in a refused tool call.
std::string tool_text(const json& reply) {
  REQUIRE(reply.contains("result"));
  CHECK(reply["result"]["isError"] == true);
  return reply["result"]["content"][0]["text"].get<std::string>();
}

}  // namespace

TEST_SUITE("gateway/mcp_filter") {
  TEST_CASE("ordinary messages pass") {
    CHECK(passes(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":{}}})"));
    CHECK(passes(R"({"jsonrpc":"2.0","method":"notifications/initialized"})"));
    CHECK(passes(R"({"jsonrpc":"2.0","id":"a","method":"tools/list"})"));
    CHECK(passes(R"(  {"jsonrpc":"2.0","id":3,"result":{"roots":[]}}  )"));
    CHECK(passes("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}\r"));
    CHECK(nixos().judge("").action == Action::drop);
    CHECK(nixos().judge(" \t\r").action == Action::drop);
  }

  TEST_CASE("a call that passes tells its tool and arguments and id") {
    const McpVerdict verdict =
        nixos().judge(tool_call({{"action", "search"}, {"query", std::string(1000, 'q')}}, "nix", "x"));
    CHECK(verdict.action == Action::pass);
    CHECK(verdict.is_call);
    CHECK(verdict.id == "\"x\"");
    CHECK(verdict.tool == "nix");
    const json shown = json::parse(verdict.arguments);
    CHECK(shown["action"] == "search");
    CHECK(shown["query"].get<std::string>().size() == 300);
    CHECK(json::parse(nixos().judge(tool_call({{"many", json(std::vector<int>(5000, 7))}})).arguments)
              .contains("(left out)"));
    CHECK(nixos().judge(R"({"id":1,"method":"tools/call","params":{"name":"nix"}})").arguments == "{}");
  }

  TEST_CASE("denied tools and tools that are not allowed") {
    CHECK(tool_text(refused(tool_call({}, "danger"))).find("mcp.nixos.tools.deny") != std::string::npos);
    CHECK(tool_text(refused(tool_call({}, " Danger"))).find("denies") != std::string::npos);
    vmspec::McpSpec spec;
    spec.name = "nixos";
    spec.tools_allow = {"nix_versions"};
    const McpFilter filter(spec);
    CHECK(passes(tool_call({}, "nix_versions"), filter));
    CHECK(tool_text(refused(tool_call({}, "nix"), filter)).find("mcp.nixos.tools.allow") != std::string::npos);
    CHECK(tool_text(refused(tool_call({}, "NIX_VERSIONS"), filter)) != "");
    spec.tools_allow = std::vector<std::string>{};
    CHECK(tool_text(refused(tool_call({}, "nix_versions"), McpFilter(spec))) != "");
  }

  TEST_CASE("denied arguments as they are and in disguise") {
    const std::string text = tool_text(refused(tool_call({{"action", "store"}, {"query", "/nix/store/x"}})));
    CHECK(text.find("action = \"store\"") != std::string::npos);
    for (const json& value : {json("flake-inputs"), json(" store"), json("store\t"), json("STORE"), json("Store "),
                              json("\"store\""), json("'store'"), json("\u00a0store\u3000"), json("\ufeffstore"),
                              json("\u017ftore"), json("st\u001core"), json(json::array({"store"})),
                              json({{"value", "store"}}), json(json::array({json::array({"x", "flake-inputs"})}))}) {
      refused(tool_call({{"action", value}}));
    }
    refused(tool_call({{"limit", 666}}));
    refused(tool_call({{"limit", "666"}}));
    refused(tool_call({{"force", true}}));
    refused(tool_call({{"force", "True"}}));
    for (const char* key : {"Action", "ACTION", "action ", " action", "\"action\""})
      refused(tool_call({{key, "store"}}));
    for (const json& value :
         {json("search"), json("stores"), json("restore"), json(""), json(nullptr), json(6666), json(false)}) {
      CHECK(passes(tool_call({{"action", value}, {"limit", value}, {"force", value}})));
    }
    CHECK(passes(tool_call({{"query", "store"}})));
    CHECK(passes(tool_call({{"action", "store"}}, "nix_versions")));
    refused(tool_call({{"action", "store"}}, "Nix"));
  }

  TEST_CASE("escapes in the text are the same value") {
    refused(
        R"({"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"n\u0069x","arguments":{"\u0061ction":"st\u006fre"}}})");
    refused(
        R"({"jsonrpc":"2.0","id":1,"m\u0065thod":"tools/call","params":{"name":"nix","arguments":{"action":"store"}}})");
  }

  TEST_CASE("keys that stand twice are refused at every level") {
    for (
        const char* line :
        {R"({"id":1,"method":"ping","method":"tools/call","params":{"name":"nix","arguments":{"action":"store"}}})",
         R"({"id":1,"method":"tools/call","params":{"name":"nix","arguments":{"action":"search","action":"store"}}})",
         R"({"id":1,"method":"tools/call","params":{"name":"nix","arguments":{"action":"search","\u0061ction":"store"}}})",
         R"({"id":1,"method":"tools/call","params":{"name":"nix_versions","name":"nix","arguments":{}}})",
         R"({"id":1,"id":2,"method":"ping"})", R"({"id":1,"method":"ping","params":{"deep":[{"a":1,"a":2}]}})"}) {
      CHECK(refused(line)["error"]["code"] == -32700);
    }
    CHECK(passes(R"({"id":1,"method":"ping","params":[{"a":1},{"a":2},{"a":{"a":1}}]})"));
  }

  TEST_CASE("keys in another case which lenient parsers take for the protocol's own") {
    CHECK(refused(R"({"id":1,"Method":"tools/call","params":{}})")["error"]["code"] == -32600);
    CHECK(refused(R"({"id":1,"method":"ping","PARAMS":{}})")["error"]["code"] == -32600);
    CHECK(refused("{\"id\":1,\"method\":\"ping\",\"param\u017f\":{}}")["error"]["code"] == -32600);
    CHECK(refused(R"({"id":1,"method":"tools/call","params":{"name":"nix_versions","Name":"nix"}})")["error"]["code"] ==
          -32602);
    CHECK(refused(R"({"id":1,"method":"tools/call","params":{"name":"nix","Arguments":{"action":"store"}}})")["error"]
                                                                                                             ["code"] ==
          -32602);
  }

  TEST_CASE("one line is one message") {
    // Python's text mode ends a line at a lone CR: the server would see the middle part as a message of its own.
    const std::string inner = tool_call({{"action", "store"}});
    CHECK(refused("{\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\r" + inner + "\r}}")["error"]["code"] == -32700);
    for (const char c : {'\0', '\x01', '\x0b', '\x0c', '\x1b', '\x1e'}) {
      std::string line = R"({"id":1,"method":"ping"})";
      line.insert(1, 1, c);
      refused(line);
      line = R"({"id":1,"method":"ping"})" + std::string(1, c) + inner;
      refused(line);
    }
    refused("{\"id\":1,\"method\":\"ping\"}" + inner);
    refused("\xef\xbb\xbf" + inner);
    refused("\xef\xbb\xbf{\"id\":1,\"method\":\"ping\"}");
  }

  TEST_CASE("batches are refused") {
    const json reply = refused("[" + tool_call({{"action", "store"}}) + "]");
    CHECK(reply["error"]["code"] == -32600);
    CHECK(reply["id"].is_null());
    refused(" []");
  }

  TEST_CASE("what is no JSON is a parse error") {
    for (const std::string line :
         {"hello", "\"text\"", "7", "null", "{", "{}}", "{\"id\":1,\"method\":\"ping\",}", "{'id':1}",
          "{\"id\":1,\"method\":\"ping\"} // x", "{\"id\":1,\"x\":NaN}", "{\"id\":1,\"x\":1e999}",
          "{\"id\":1,\"x\":\"\xff\"}", "{\"id\":1,\"x\":\"\xed\xa0\x80\"}"}) {
      CHECK(refused(line)["error"]["code"] == -32700);
    }
  }

  TEST_CASE("messages that are not JSON-RPC") {
    CHECK(refused("{}")["error"]["code"] == -32600);
    CHECK(refused(R"({"id":1})")["error"]["code"] == -32600);
    for (const char* id : {"null", "true", "1.5", "[]", "{}", "1e3"}) {
      CHECK(refused(R"({"method":"ping","id":)" + std::string(id) + "}")["error"]["code"] == -32600);
    }
    CHECK(refused(R"({"id":1,"method":["tools/call"]})")["error"]["code"] == -32600);
    CHECK(refused(json{{"id", std::string(300, 'i')}, {"method", "ping"}}.dump())["error"]["code"] == -32600);
    CHECK(refused(R"({"id":1,"method":"tools/call"})")["error"]["code"] == -32602);
    CHECK(refused(R"({"id":1,"method":"tools/call","params":[]})")["error"]["code"] == -32602);
    CHECK(refused(R"({"id":1,"method":"tools/call","params":{"name":7}})")["error"]["code"] == -32602);
    CHECK(
        refused(
            R"({"id":1,"method":"tools/call","params":{"name":"nix","arguments":"{\"action\":\"store\"}"}})")["error"]
                                                                                                             ["code"] ==
        -32602);
    CHECK(
        refused(R"({"id":1,"method":"tools/call","params":{"name":"nix","arguments":[{"action":"store"}]}})")["error"]
                                                                                                             ["code"] ==
        -32602);
  }

  TEST_CASE("a denied call without an id is dropped and told") {
    const McpVerdict verdict =
        nixos().judge(R"({"method":"tools/call","params":{"name":"nix","arguments":{"action":"store"}}})");
    CHECK(verdict.action == Action::drop);
    CHECK(verdict.is_call);
    CHECK_FALSE(verdict.reason.empty());
  }

  TEST_CASE("cancellations name the request they take back") {
    CHECK(nixos().judge(R"({"method":"notifications/cancelled","params":{"requestId":5}})").cancelled == "5");
    CHECK(nixos().judge(R"({"method":"notifications/cancelled","params":{"requestId":"a"}})").cancelled == "\"a\"");
    CHECK(nixos().judge(R"({"method":"notifications/cancelled","params":{"requestId":[1]}})").cancelled == "");
  }

  TEST_CASE("depth and keys and size are bounded") {
    const auto nested = [](int levels) {
      return R"({"id":1,"method":"ping","params":)" + std::string(levels, '[') + std::string(levels, ']') + "}";
    };
    CHECK(passes(nested(63)));
    CHECK(refused(nested(64))["error"]["message"].get<std::string>().find("levels") != std::string::npos);
    refused(nested(400'000));
    refused(std::string(1'000'000, '{'));
    json many = json::object();
    for (int i = 0; i < 20'000; ++i) many["k" + std::to_string(i)] = 0;
    CHECK(refused(tool_call(many))["error"]["message"].get<std::string>().find("keys") != std::string::npos);
    const json reply = json::parse(nixos().judge_too_long(1024).reply);
    CHECK(reply["error"]["message"].get<std::string>().find("1024") != std::string::npos);
  }
}
