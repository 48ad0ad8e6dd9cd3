// model_world.hpp - a guest, the model gateway and an upstream that answers as a test says.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "launcher/gateway/model/model_gateway.hpp"
#include "tests/unit/gateway/fake_upstream.hpp"
#include "tests/unit/gateway/link_pair.hpp"

namespace agentvm::test {

inline constexpr char model_key[] = "sk-not-for-the-guest";
inline constexpr char model_key_variable[] = "AGENTVM_TEST_MODEL_KEY";

struct ModelWorld : LinkPair {
  FakeUpstream upstream;
  std::unique_ptr<gateway::ModelGateway> model;

  /// The key is in a variable unless a source is given; `url` stands for the upstream's own.
  explicit ModelWorld(FakeUpstream::Handler answer, gateway::ModelLimits limits = {}, std::string url = {},
                      vmspec::KeySource key = {vmspec::KeySource::Kind::env, model_key_variable})
      : upstream(io, std::move(answer)) {
    setenv(model_key_variable, model_key, 1);
    const vmspec::ModelSpec spec{"m", url.empty() ? upstream.url() : url, std::move(key)};
    model = std::make_unique<gateway::ModelGateway>(io.get_executor(), spec, sink(), limits);
    handler = model->handler();
  }
  link::StreamPtr connect() { return guest->open("POST", "/model"); }
  /// The answer to one whole request on a connection of its own.
  asio::awaitable<std::string> ask(std::string request) {
    const link::StreamPtr stream = connect();
    co_await stream->write(std::move(request));
    stream->finish();
    co_return co_await stream->read_all(1 << 20);
  }
  void run(std::function<asio::awaitable<void>()> body) {
    test([this, body = std::move(body)]() -> asio::awaitable<void> {
      co_await body();
      upstream.close();
    });
    for (const auto& event : events) CHECK(event.dump().find(model_key) == std::string::npos);
  }
};

inline asio::awaitable<void> never_asked(FakeUpstream::Connection&) {
  FAIL_CHECK("the upstream was asked");
  co_return;
}

}  // namespace agentvm::test
