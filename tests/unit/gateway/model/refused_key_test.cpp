// refused_key_test.cpp - an endpoint that refuses the model's key: what the guest is told, and keys that are read anew.
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "base/file.hpp"
#include "tests/unit/gateway/model/model_world.hpp"
#include "tests/unit/has.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using namespace std::chrono_literals;
using gateway::ModelLimits;
using test::FakeUpstream;
using test::has;
using test::ModelWorld;
using Kind = vmspec::KeySource::Kind;

namespace {

constexpr char unauthorized[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nWWW-Authenticate: Bearer\r\n\r\nno";

/// A file with the key to come, which a command prints and replaces as a short-lived token's issuer does.
struct Tokens {
  std::string folder;
  Tokens() {
    char name[] = "/tmp/agentvm-tokens-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    folder = name;
  }
  ~Tokens() { remove_tree(folder); }
  Tokens(const Tokens&) = delete;
  Tokens& operator=(const Tokens&) = delete;
  /// Prints token-1, token-2, and so on.
  vmspec::KeySource source() const {
    return {
        Kind::command, "", {"sh", "-c", "echo x >> " + folder + "/asked; echo token-$(wc -l < " + folder + "/asked)"}};
  }
  std::size_t asked() const { return read_file_if_exists(folder + "/asked").value_or("").size() / 2; }
};

/// Takes one token alone, and answers with the body's length.
FakeUpstream::Handler takes_only(std::string token, std::string end_of_request) {
  return [token = std::move(token), end = std::move(end_of_request)](auto& connection) -> asio::awaitable<void> {
    co_await connection.read_until(end);
    const bool good = connection.received.find("Bearer " + token + "\r\n") != std::string::npos;
    const std::string body = connection.received.substr(connection.received.find("\r\n\r\n") + 4);
    const std::string size = std::to_string(body.size());
    std::string answer(unauthorized);
    if (good) answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size.size()) + "\r\n\r\n" + size;
    co_await connection.write(std::move(answer));
  };
}

}  // namespace

TEST_SUITE("gateway/refused_key") {
  TEST_CASE("a refused key is a 403 to the guest which says where to replace it") {
    ModelWorld world(takes_only("another", "\r\n\r\n"));
    world.run([&]() -> asio::awaitable<void> {
      const std::string answer = co_await world.ask("GET /v1/models HTTP/1.1\r\n\r\n");
      CHECK(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"));
      CHECK(
          has(answer, "127.0.0.1 refused the model's key (401), which comes from the variable AGENTVM_TEST_MODEL_KEY"));
      CHECK_FALSE(has(answer, "WWW-Authenticate"));
      CHECK_FALSE(has(answer, test::model_key));
    });
    CHECK(world.upstream.requests.size() == 1);
    CHECK(world.events.at(0)["status"] == 403);
    CHECK(has(world.events.at(0)["error"].get<std::string>(), "refused the model's key"));
  }

  TEST_CASE("a forbidden request keeps the endpoint's reason without the key") {
    std::string message = "Country not supported";
    ModelWorld world([&](auto& connection) -> asio::awaitable<void> {
      co_await connection.read_until("\r\n\r\n");
      const std::string body = "{\"error\":{\"message\":\"" + message + "\"}}";
      co_await connection.write("HTTP/1.1 403 Forbidden\r\nContent-Length: " + std::to_string(body.size()) +
                                "\r\n\r\n" + body);
    });
    world.run([&]() -> asio::awaitable<void> {
      std::string answer = co_await world.ask("GET /v1/models HTTP/1.1\r\n\r\n");
      CHECK(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"));
      CHECK(has(answer, "(403): Country not supported"));
      message = std::string("bad key ") + test::model_key;
      answer = co_await world.ask("GET /v1/models HTTP/1.1\r\n\r\n");
      CHECK(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"));
      CHECK_FALSE(has(answer, test::model_key));
    });
  }

  TEST_CASE("an endpoint that asks for a key where there is none") {
    ModelWorld world(takes_only("any", "\r\n\r\n"), {}, {}, {});
    world.run([&]() -> asio::awaitable<void> {
      const std::string answer = co_await world.ask("GET /v1/models HTTP/1.1\r\n\r\n");
      CHECK(answer.starts_with("HTTP/1.1 403"));
      CHECK(has(answer, "asks for a key (401), and the profile's model.key names none"));
    });
  }

  TEST_CASE("a command that gives no key is a 403 without the endpoint being asked and prestart's error") {
    const vmspec::KeySource source{Kind::command, "", {"sh", "-c", "exit 3"}};
    ModelWorld world(test::never_asked, {}, {}, source);
    world.run([&]() -> asio::awaitable<void> {
      const std::string answer = co_await world.ask("GET /v1/models HTTP/1.1\r\n\r\n");
      CHECK(answer.starts_with("HTTP/1.1 403"));
      CHECK(has(answer, "the command that model.key names gave none"));
      CHECK_FALSE(has(answer, "exit code"));  // the host's affairs
      CHECK_THROWS_WITH_AS(co_await world.model->prestart(), "model.key: the command sh failed with exit code 3",
                           Error);
    });
    CHECK(has(world.events.at(0)["error"].get<std::string>(), "sh failed with exit code 3"));
  }

  TEST_CASE("a token that has run out is read anew and the request repeated") {
    const Tokens tokens;
    ModelWorld world(takes_only("token-2", "{\"a\":1}"), {}, {}, tokens.source());
    world.run([&]() -> asio::awaitable<void> {
      co_await world.model->prestart();
      CHECK(tokens.asked() == 1);
      const std::string request = "POST /v1/responses HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
      std::string answer = co_await world.ask(request);
      CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
      CHECK(answer.ends_with("\r\n\r\n7"));
      answer = co_await world.ask(request);
      CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    });
    CHECK(tokens.asked() == 2);
    CHECK(world.upstream.requests.size() == 3);
    CHECK(world.events.at(0)["request_bytes"] == 7);
    CHECK_FALSE(world.events.at(0).contains("error"));
  }

  TEST_CASE("a chunked body that was refused half way is repeated as a whole") {
    const Tokens tokens;
    bool first = true;
    AsyncEvent* was_refused = nullptr;
    ModelWorld world(
        [&](auto& connection) -> asio::awaitable<void> {
          co_await connection.read_until(std::exchange(first, false) ? "4\r\nhalf\r\n" : "0\r\n\r\n");
          const bool good = connection.received.find("Bearer token-2\r\n") != std::string::npos;
          if (!good) was_refused->notify();
          co_await connection.write(good ? "HTTP/1.1 204 No Content\r\n\r\n" : unauthorized);
        },
        {}, {}, tokens.source());
    AsyncEvent event(world.io.get_executor());
    was_refused = &event;
    world.run([&]() -> asio::awaitable<void> {
      const link::StreamPtr stream = world.connect();
      co_await stream->write("POST /v1/responses HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
      co_await event.wait();
      co_await stream->write("5\r\nwhole\r\n0\r\n\r\n");
      co_await test::read_until(stream, "204 No Content");
    });
    REQUIRE(world.upstream.requests.size() == 2);
    const std::string& second = world.upstream.requests[1];
    std::string body = second.substr(second.find("\r\n\r\n") + 4);
    CHECK(body.ends_with("0\r\n\r\n"));
    CHECK(body.find("half") < body.find("whole"));
    CHECK(world.events.at(0)["request_bytes"] == 9);
  }

  TEST_CASE("a body too large to keep is asked for again with the new key there") {
    const Tokens tokens;
    ModelLimits limits;
    limits.kept_bytes = 3;
    ModelWorld world(takes_only("token-2", "{\"a\":1}"), limits, {}, tokens.source());
    world.run([&]() -> asio::awaitable<void> {
      const std::string request = "POST /v1/responses HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
      std::string answer = co_await world.ask(request);
      CHECK(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
      CHECK(has(answer, "send the request again"));
      answer = co_await world.ask(request);
      CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    });
  }

  TEST_CASE("a guest cannot make the host run the command again and again") {
    const Tokens tokens;
    ModelWorld world(takes_only("never", "\r\n\r\n"), {}, {}, tokens.source());
    world.run([&]() -> asio::awaitable<void> {
      for (int i = 0; i < 5; ++i) {
        const std::string answer = co_await world.ask("GET /v1/models HTTP/1.1\r\n\r\n");
        CHECK(answer.starts_with("HTTP/1.1 403"));
      }
    });
    CHECK(tokens.asked() == 2);
  }

  TEST_CASE("a file that was replaced is read anew") {
    const Tokens tokens;
    const std::string path = tokens.folder + "/key";
    write_file_atomic(path, "old\n", 0600);
    ModelWorld world(takes_only("new", "\r\n\r\n"), {}, {}, {Kind::file, path, {}});
    world.run([&]() -> asio::awaitable<void> {
      co_await world.model->prestart();
      write_file_atomic(path, "new\n", 0600);
      const std::string answer = co_await world.ask("GET /v1/models HTTP/1.1\r\n\r\n");
      CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    });
  }
}
