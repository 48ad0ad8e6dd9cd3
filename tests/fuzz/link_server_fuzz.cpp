// link_server_fuzz.cpp - a hostile client speaks to a link session that answers streams (the supervisor's service
// link).
//
// The first byte chooses: raw bytes as they are, or frames made from them; and in how small pieces they arrive.
#include <cstddef>
#include <cstdint>

#include "base/error.hpp"
#include "tests/fuzz/hostile_peer.hpp"
#include "tests/fuzz/http2_frames.hpp"

namespace asio = boost::asio;
using namespace agentvm;

namespace {

/// Both habits of the real services: a document is read whole, a connection is passed on as it comes.
asio::awaitable<void> answer(link::StreamPtr stream) {
  if (stream->path() == "/read") {
    const std::string body = co_await stream->read_all(64 * 1024);
    stream->respond(200, {{"length", std::to_string(body.size())}});
    co_await stream->write("done");
    co_return;
  }
  stream->respond(200);
  for (;;) {
    std::string bytes = co_await stream->read();
    if (bytes.empty()) break;
    co_await stream->write(std::move(bytes));
  }
  stream->finish(stream->trailers());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const bool raw = (data[0] & 1) != 0;
  const std::size_t piece = (data[0] & 2) != 0 ? 7 : 65536;
  FuzzedDataProvider input(data + 1, size - 1);
  fuzz::converse(link::Role::server, answer, {},
                 raw ? input.ConsumeRemainingBytesAsString() : fuzz::http2_conversation(input, fuzz::Playing::client),
                 piece);
  return 0;
}
