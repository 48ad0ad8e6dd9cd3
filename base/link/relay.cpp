// relay.cpp - what is built on streams: whole bodies, small requests, and joining two streams.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cstdlib>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/link/link.hpp"

namespace agentvm::link {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

std::string_view field(const Fields& fields, std::string_view name) noexcept {
  for (const auto& [key, value] : fields) {
    if (key == name) return value;
  }
  return {};
}

asio::awaitable<std::string> Stream::read_all(std::size_t limit) {
  std::string whole;
  for (;;) {
    std::string bytes = co_await read();
    if (bytes.empty()) co_return whole;
    if (whole.size() + bytes.size() > limit) {
      throw Error(std::string(path()) + ": more than " + std::to_string(limit) + " bytes were sent");
    }
    whole += bytes;
  }
}

asio::awaitable<Answer> request(Session& session, std::string method, std::string path, std::string body,
                                std::size_t limit) {
  const bool empty = body.empty();
  const StreamPtr stream = session.open(std::move(method), std::move(path), {}, empty);
  if (!empty) {
    co_await stream->write(std::move(body));
    stream->finish();
  }
  Answer answer;
  answer.fields = co_await stream->response();
  answer.status = std::atoi(std::string(field(answer.fields, ":status")).c_str());
  answer.body = co_await stream->read_all(limit);
  co_return answer;
}

asio::awaitable<void> relay_body(Stream& from, Stream& to) {
  for (;;) {
    std::string bytes = co_await from.read();
    if (bytes.empty()) break;
    co_await to.write(std::move(bytes));
  }
  to.finish(from.trailers());
}

namespace {

/// The request's body; ends only with a failure, so that the answer decides when the relay is over.
asio::awaitable<void> relay_request(StreamPtr downstream, StreamPtr upstream) {
  try {
    co_await relay_body(*downstream, *upstream);
  } catch (const Error&) {
    // The asker broke off: the answerer must know. An answerer that stopped reading is still heard out.
    if (downstream->broken()) upstream->reset();
  }
  // An asker that has said everything can still leave.
  co_await (upstream->closed() || downstream->closed());
  if (downstream->broken()) upstream->reset();
  co_await upstream->closed();
  co_await downstream->closed();
}

asio::awaitable<void> relay_answer(StreamPtr downstream, StreamPtr upstream) {
  Fields fields = co_await upstream->response();
  const int status = std::atoi(std::string(field(fields, ":status")).c_str());
  std::erase_if(fields, [](const auto& item) { return item.first == ":status"; });
  downstream->respond(status, std::move(fields));
  co_await relay_body(*upstream, *downstream);
}

}  // namespace

asio::awaitable<void> relay(StreamPtr downstream, StreamPtr upstream) {
  try {
    co_await (relay_answer(downstream, upstream) || relay_request(downstream, upstream));
  } catch (const std::exception&) {
    upstream->reset();
    if (downstream->responded()) {
      downstream->reset();
      co_return;
    }
    throw;
  }
}

}  // namespace agentvm::link
