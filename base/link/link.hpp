// link.hpp - HTTP/2 streams over one byte stream: every conversation of agentvm, host to guest and CLI to supervisor.
//
// A Session owns a descriptor (a unix socket, a virtio-serial port, a vsock) and speaks HTTP/2 on it with nghttp2 (RFC
// 9113), without TLS and without upgrade. One side is the client and opens streams; the other answers them. Everything
// runs on one thread (one io_context): handles need no locks, and nothing changes between two co_awaits.
//
// Windows. A reader opens its stream's window only by read(): what it has not taken out of the inbox counts against
// `stream_window`. So a reader that stops stops its writer, and nobody else: the connection's window is the sum of all
// streams', so that one full stream never starves another. A writer hands bytes to the stream's send buffer; write()
// waits only while that holds `send_buffer` bytes or more, and the last piece may overfill it. "Written" therefore
// means "on its way": at most send_buffer + one piece + stream_window bytes lie between a returned write() and a
// returned read(). Nothing tells the writer that they arrived, apart from an answer of the peer, or a ping() that was
// sent once the stream was closed.
//
// The ends of a stream. Each direction ends by itself:
//   finish()   half-close (END_STREAM) behind everything written; trailers carry what is known only now (exit codes).
//              The peer's read() returns what is left, then empty.
//   reset()    RST_STREAM CANCEL: both directions end at once, unsent bytes are thrown away. Bytes that had arrived are
//              still read; then read() throws.
//   abandon    the last handle is dropped: a stream that is finished both ways just goes. A client that still waits for
//              its answer, or anyone who has not finished, resets. A server that has answered to the end does not want
//              the rest of the request, and says so with RST_STREAM NO_ERROR once its END_STREAM is out.
//   lost link  like a reset of every stream, on each side when that side sees it.
// closed() completes when both directions are through, whichever way. broken() tells a reset or a lost link from an
// orderly end; it does not tell which of the two. Session::open_for_streams() does: false, and the link is the cause.
//
// The ends of a session. close() is orderly: it waits until everything that was written is sent, also what waits for
// the peer's window, as long as the peer takes something every 2 s; then GOAWAY and the end. wind_down()
// takes no new streams and lets the handlers end before that. join() ends it at once, and its handlers with it. run()
// returns after any end, with every stream broken by then: "" when the peer closed or close() was called, else what was
// wrong. open() throws once the session is over or closing. The peer's limit of concurrent streams is no error: nghttp2
// holds the request back until another stream ends, however long that takes.
//
// The peer is taken as hostile: header blocks, concurrent streams, buffered bytes, resets per second and unanswered
// control frames have limits; a breach ends the session, never the process.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"

namespace agentvm::link {

/// Header or trailer fields in order. Names are lower case; pseudo headers (":path") only where the text says so.
using Fields = std::vector<std::pair<std::string, std::string>>;
/// The value of the first field of that name, or "" when there is none.
std::string_view field(const Fields& fields, std::string_view name) noexcept;

/// What one side accepts from the other.
struct Limits {
  std::uint32_t max_streams = 128;           ///< open at once, opened by the peer
  std::uint32_t stream_window = 128 * 1024;  ///< bytes the peer may send on a stream before it is read
  std::size_t max_field_bytes = 16 * 1024;   ///< all names and values of one header block or trailer
  std::size_t send_buffer = 128 * 1024;      ///< bytes a stream buffers before write() waits
};

class Session;

/// One HTTP/2 stream. Held by shared_ptr; dropping the last reference resets a stream that is not finished.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  virtual ~Stream() = default;

  /// The fields that opened it (pseudo headers ":method" and ":path" included).
  virtual const Fields& request() const noexcept = 0;
  std::string_view path() const noexcept { return field(request(), ":path"); }
  std::string_view method() const noexcept { return field(request(), ":method"); }

  /// Client: waits for the response's header and returns it (":status" included). Throws Error on reset or lost link.
  virtual boost::asio::awaitable<Fields> response() = 0;
  /// Server: sends the response's header; `status` as in HTTP. At most once, before the first write().
  virtual void respond(int status, Fields fields = {}) = 0;
  virtual bool responded() const noexcept = 0;

  /// The next bytes from the peer, at least one; empty when the peer has finished. Throws Error on reset or lost link.
  virtual boost::asio::awaitable<std::string> read() = 0;
  /// Everything until the peer finishes; throws Error when it is longer than `limit` bytes.
  boost::asio::awaitable<std::string> read_all(std::size_t limit);
  /// The peer's trailers; complete once read() has returned empty.
  virtual const Fields& trailers() const noexcept = 0;

  /// Hands bytes over; returns when they are in the send buffer, so a slow peer slows the caller. Throws on reset.
  virtual boost::asio::awaitable<void> write(std::string bytes) = 0;
  /// Half-close, after everything written: no more bytes from us. Idempotent. A server that has not responded sends
  /// 200.
  virtual void finish(Fields trailers = {}) = 0;
  /// Tears the stream down at once (RST_STREAM CANCEL): reads and writes on both sides fail.
  virtual void reset() noexcept = 0;
  /// True after a reset by either side or a lost link.
  virtual bool broken() const noexcept = 0;
  /// Completes (without throwing) when the stream is closed in both directions, reset, or its link lost.
  virtual boost::asio::awaitable<void> closed() = 0;
};

using StreamPtr = std::shared_ptr<Stream>;
/// Answers one incoming stream. An Error that leaves it becomes a 500 whose body is the message (or a reset when the
/// response has begun); returning without finish() finishes.
using Handler = std::function<boost::asio::awaitable<void>(StreamPtr)>;

enum class Role { client, server };

/// An HTTP/2 connection over a descriptor it owns.
class Session : public std::enable_shared_from_this<Session> {
 public:
  /// `handler` serves the peer's streams and is needed for the server role only.
  static std::shared_ptr<Session> create(boost::asio::any_io_executor executor, UniqueFd transport, Role role,
                                         Limits limits = {}, Handler handler = {});
  virtual ~Session() = default;

  /// Speaks until the peer is gone, close() is called or the protocol is broken; then fails every stream. Returns the
  /// reason, "" for an orderly end. Must be spawned once for the session to make progress.
  virtual boost::asio::awaitable<std::string> run() = 0;

  /// Client: opens a stream. `end` half-closes at once. Throws Error when the session is over. A stream beyond the
  /// peer's limit waits unsent until another one closes.
  virtual StreamPtr open(std::string method, std::string path, Fields fields = {}, bool end = false) = 0;

  /// PING and its answer; throws Error when the link is lost.
  virtual boost::asio::awaitable<std::chrono::nanoseconds> ping() = 0;

  /// Ends the session once everything that was written is sent, however long the peer takes, as long as it takes
  /// something every 2 s; then the descriptor is closed. Streams that are open still are reset by that.
  virtual void close() noexcept = 0;
  /// Server: takes no new streams, and closes once its handlers have returned; within the same limit.
  virtual void wind_down() noexcept = 0;
  /// Server: ends the session at once, cancels its handlers and waits until none is left. What a handler refers to must
  /// live until then.
  virtual boost::asio::awaitable<void> join() = 0;
  virtual bool open_for_streams() const noexcept = 0;
};

using SessionPtr = std::shared_ptr<Session>;

/// A small request with its answer: opens a stream, sends `body`, reads the answer up to `limit` bytes.
struct Answer {
  int status = 0;
  Fields fields;
  std::string body;
};
boost::asio::awaitable<Answer> request(Session& session, std::string method, std::string path, std::string body = {},
                                       std::size_t limit = std::size_t{16} << 20);

/// Copies what `from` receives to `to`, with back-pressure, until the end, and passes half-close and trailers on.
boost::asio::awaitable<void> relay_body(Stream& from, Stream& to);
/// Joins a stream we answer with one we opened on another session: response header, bodies both ways, trailers,
/// half-close and resets pass through. Returns when both are done.
boost::asio::awaitable<void> relay(StreamPtr downstream, StreamPtr upstream);

}  // namespace agentvm::link
