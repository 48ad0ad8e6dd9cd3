// link_client_fuzz.cpp - a hostile server answers a link session that opens streams (the supervisor's control link).
//
// The first byte chooses: raw bytes as they are, or frames made from them; and in how small pieces they arrive.
#include <boost/asio/this_coro.hpp>
#include <cstddef>
#include <cstdint>

#include "base/async/task_group.hpp"
#include "base/error.hpp"
#include "tests/fuzz/hostile_peer.hpp"
#include "tests/fuzz/http2_frames.hpp"

namespace asio = boost::asio;
using namespace agentvm;

namespace {

/// A process's streams as `exec` uses them: one that carries a body and trailers, one that is only read.
asio::awaitable<void> use_stream(link::SessionPtr session, std::string path, bool with_body) {
  try {
    const link::StreamPtr stream = session->open("POST", std::move(path), {}, !with_body);
    if (with_body) {
      co_await stream->write(std::string(40 * 1024, 'b'));
      stream->finish();
    }
    co_await stream->response();
    co_await stream->read_all(256 * 1024);
    (void)link::field(stream->trailers(), "exit-code");
    co_await stream->closed();
  } catch (const Error&) {  // what a hostile answer is allowed to cause
  }
}

asio::awaitable<void> ping(link::SessionPtr session) {
  try {
    co_await session->ping();
  } catch (const Error&) {
  }
}

asio::awaitable<void> use(link::SessionPtr session) {
  TaskGroup tasks(co_await asio::this_coro::executor);
  for (int i = 0; i < 4; ++i) tasks.spawn(use_stream(session, "/s", i % 2 == 0));
  tasks.spawn(ping(session));
  co_await tasks.finished();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const bool raw = (data[0] & 1) != 0;
  const std::size_t piece = (data[0] & 2) != 0 ? 7 : 65536;
  FuzzedDataProvider input(data + 1, size - 1);
  fuzz::converse(link::Role::client, {}, use,
                 raw ? input.ConsumeRemainingBytesAsString() : fuzz::http2_conversation(input, fuzz::Playing::server),
                 piece);
  return 0;
}
