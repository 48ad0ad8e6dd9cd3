// mcp_reply_test.cpp - answers of servers, told apart from everything else they say.
#include "launcher/gateway/mcp/mcp_reply.hpp"

#include <doctest/doctest.h>

#include <string>

using agentvm::gateway::read_mcp_reply;

TEST_SUITE("gateway/mcp_reply") {
  TEST_CASE("results") {
    const auto reply = read_mcp_reply(
        R"({"jsonrpc":"2.0","id":7,"result":{"structuredContent":{"text":"no","id":8},)"
        R"("content":[{"type":"image","data":"x"},{"type":"text","text":"found"},{"type":"text","text":"more"}],"isError":false}})");
    REQUIRE(reply);
    CHECK(reply->id == "7");
    CHECK_FALSE(reply->is_error);
    CHECK(reply->text == "found");
  }

  TEST_CASE("errors of both kinds and the id wherever it stands") {
    auto reply = read_mcp_reply(R"({"result":{"content":[{"text":"bad","type":"text"}],"isError":true},"id":"a\"b"})");
    REQUIRE(reply);
    CHECK(reply->id == R"("a\"b")");
    CHECK(reply->is_error);
    CHECK(reply->text == "bad");
    reply = read_mcp_reply(R"({"id":-1,"error":{"code":-32602,"message":"unknown tool","data":{"message":"x"}}})");
    REQUIRE(reply);
    CHECK(reply->is_error);
    CHECK(reply->text == "unknown tool");
  }

  TEST_CASE("a text is cut to 300 bytes of whole characters") {
    std::string text;
    for (int i = 0; i < 200; ++i) text += "\u00e4";
    const auto reply = read_mcp_reply(R"({"id":1,"result":{"content":[{"text":")" + text + R"("}]}})");
    REQUIRE(reply);
    CHECK(reply->text == text.substr(0, 300));
  }

  TEST_CASE("everything else is no answer") {
    for (const std::string line : {"", "log line", "[]", "7", R"({"id":1})", R"({"result":{}})",
                                   R"({"id":1,"method":"sampling/createMessage","params":{}})",
                                   R"({"method":"notifications/message","params":{"id":1,"result":2}})",
                                   R"({"id":null,"result":{}})", R"({"params":{"id":1},"result":)"}) {
      CHECK_MESSAGE(!read_mcp_reply(line), line);
    }
    CHECK_FALSE(read_mcp_reply(std::string(100'000, '[')));
    std::string deep = R"({"id":1,"result":)";
    for (int i = 0; i < 100'000; ++i) deep += R"({"a":)";
    CHECK(read_mcp_reply(deep)->id == "1");  // what was read before is kept: the bytes pass anyway
  }
}
