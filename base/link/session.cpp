// session.cpp - moves a session's bytes, and does what stream handles ask.
#include "base/link/session.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <exception>

#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::link {

using std::chrono::steady_clock;

namespace {
/// A peer that takes nothing for so long gets nothing more of a session that is being closed.
constexpr std::chrono::seconds stall_limit{2};
}  // namespace

SessionImpl::SessionImpl(asio::any_io_executor executor, UniqueFd transport, Role role, Limits limits, Handler handler)
    : executor_(executor),
      transport_(executor),
      role_(role),
      limits_(limits),
      handler_(std::move(handler)),
      send_wanted_(executor),
      pinged_(executor),
      own_tasks_(executor),
      handlers_(executor) {
  set_nonblocking(transport.get(), true);
  transport_.assign(transport.release());
  make_session();
}

bool SessionImpl::spend_reset() noexcept {
  const auto now = steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - resets_counted_).count();
  resets_counted_ = now;
  resets_left_ = std::min(reset_burst, resets_left_ + seconds * resets_per_second);
  if (resets_left_ < 1) return false;
  resets_left_ -= 1;
  return true;
}

asio::awaitable<void> SessionImpl::serve(std::shared_ptr<SessionImpl> me, StatePtr state) {
  auto handled = handle(me, std::move(state));
  co_await std::move(handled);
  --me->handling_;
  if (me->winding_down_ && me->handling_ == 0) me->close();
}

asio::awaitable<void> SessionImpl::handle(std::shared_ptr<SessionImpl> me, StatePtr state) {
  const StreamPtr stream = make_handle(me, state);
  std::string failure;
  try {
    if (!me->handler_) throw Error("nothing is served on this link");
    co_await me->handler_(stream);
    stream->finish();
    co_return;
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (stream->responded() || stream->broken()) {
    stream->reset();
    co_return;
  }
  try {
    stream->respond(500);
    co_await stream->write(failure + "\n");
    stream->finish();
  } catch (const std::exception&) {
    stream->reset();  // the peer left while being told, or we are cancelled: nobody is there to hear more
  }
}

asio::awaitable<std::string> SessionImpl::run() {
  const auto keep = shared_from_this();
  own_tasks_.spawn(write_loop());
  own_tasks_.spawn(watch_closing());
  std::string reason;
  try {
    auto reading = read_loop();
    reason = co_await std::move(reading);
  } catch (const boost::system::system_error&) {
    reason = "the link is no longer wanted";  // cancelled
  }
  end();
  co_await shielded();
  co_await own_tasks_.join();
  co_return reason;
}

asio::awaitable<std::string> SessionImpl::read_loop() {
  std::vector<std::uint8_t> buffer(batch_bytes);
  while (!over_) {
    const auto [error, size] =
        co_await transport_.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (over_) break;
    if (error || size == 0) {
      if (error && error != asio::error::eof && !closing_) co_return "the link failed: " + error.message();
      break;
    }
    const ssize_t used = nghttp2_session_mem_recv(session_.get(), buffer.data(), size);
    if (used < 0) {
      if (!failure_.empty()) co_return failure_;
      co_return std::string("the other side broke the protocol: ") + nghttp2_strerror(static_cast<int>(used));
    }
    want_send();
    if (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0) break;
  }
  co_return std::string();
}

asio::awaitable<void> SessionImpl::write_loop() {
  std::string batch;
  while (!over_) {
    while (batch.size() < batch_bytes) {
      const std::uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
      if (size <= 0) break;
      batch.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    }
    if (batch.empty()) {
      // Nothing to send now is not the end: streams may wait for the peer's window.
      if (closing_ && all_sent()) {
        if (terminated_) break;
        // Only now: a GOAWAY goes before what is still queued, and the rest would never be sent.
        terminated_ = true;
        nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
        continue;
      }
      if (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0) break;
      co_await send_wanted_.wait();
      continue;
    }
    const auto [error, written] =
        co_await asio::async_write(transport_, asio::buffer(batch), asio::as_tuple(asio::use_awaitable));
    if (error) break;
    batch.clear();
  }
  end();
}

bool SessionImpl::all_sent() const noexcept {
  return std::none_of(streams_.begin(), streams_.end(), [](const auto& item) {
    const StreamState& stream = *item.second;
    return !stream.broken && !stream.closed && stream.unsent() > 0;
  });
}

/// Ends a session that is being closed when its peer takes nothing any more.
asio::awaitable<void> SessionImpl::watch_closing() {
  while (!closing_ && !winding_down_ && !over_) co_await send_wanted_.wait();
  while (!over_) {
    const std::uint64_t before = moved_;
    co_await sleep_for(stall_limit);
    if (moved_ == before) end();
  }
}

void SessionImpl::end() noexcept {
  if (over_) return;
  over_ = true;
  boost::system::error_code ignored;
  transport_.close(ignored);
  const auto streams = std::exchange(streams_, {});
  for (const auto& [id, state] : streams) {
    state->closed = true;
    state->broken = true;
    state->changed.notify();
  }
  pinged_.notify();
  send_wanted_.notify();
}

StreamPtr SessionImpl::open(std::string method, std::string path, Fields fields, bool end) {
  if (!open_for_streams()) throw Error(path + ": the link is closed");
  Fields request{
      {":method", std::move(method)}, {":scheme", "http"}, {":authority", "agentvm"}, {":path", std::move(path)}};
  request.insert(request.end(), std::make_move_iterator(fields.begin()), std::make_move_iterator(fields.end()));
  const auto headers = name_values(request);
  nghttp2_data_provider provider = data_provider();
  const std::int32_t id = nghttp2_submit_request(session_.get(), nullptr, headers.data(), headers.size(),
                                                 end ? nullptr : &provider, nullptr);
  if (id < 0) throw Error(std::string(field(request, ":path")) + ": " + nghttp2_strerror(id));
  const auto state = std::make_shared<StreamState>(executor_, id);
  state->request = std::move(request);
  state->finishing = end;
  streams_[id] = state;
  want_send();
  return make_handle(std::static_pointer_cast<SessionImpl>(shared_from_this()), state);
}

asio::awaitable<std::chrono::nanoseconds> SessionImpl::ping() {
  const auto keep = shared_from_this();
  if (over_) throw Error("the link is closed");
  const auto start = steady_clock::now();
  nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
  const std::uint64_t mine = ++pings_sent_;
  want_send();
  while (pings_answered_ < mine && !over_) co_await pinged_.wait();
  if (pings_answered_ < mine) throw Error("the link was lost");
  co_return steady_clock::now() - start;
}

void SessionImpl::close() noexcept {
  if (over_ || closing_) return;
  closing_ = true;
  want_send();
}

void SessionImpl::wind_down() noexcept {
  if (over_ || closing_ || winding_down_) return;
  winding_down_ = true;
  if (handling_ == 0) close();
  want_send();
}

asio::awaitable<void> SessionImpl::join() {
  const auto keep = shared_from_this();
  end();
  auto joined = handlers_.join();
  co_await std::move(joined);
}

void SessionImpl::respond(const StatePtr& state, int status, Fields fields) {
  if (state->responded) throw Error("the answer has begun already");
  state->responded = true;
  if (over_ || state->closed) return;
  Fields response{{":status", std::to_string(status)}};
  response.insert(response.end(), std::make_move_iterator(fields.begin()), std::make_move_iterator(fields.end()));
  const auto headers = name_values(response);
  nghttp2_data_provider provider = data_provider();
  const int result = nghttp2_submit_response(session_.get(), state->id, headers.data(), headers.size(), &provider);
  if (result != 0) throw Error(std::string("answering: ") + nghttp2_strerror(result));
  want_send();
}

void SessionImpl::finish(const StatePtr& state, Fields trailers) {
  if (state->finishing) return;
  if (role_ == Role::server && !state->responded) respond(state, 200, {});
  state->finishing = true;
  state->own_trailers = std::move(trailers);
  if (over_ || state->closed) return;
  nghttp2_session_resume_data(session_.get(), state->id);
  want_send();
}

void SessionImpl::reset(const StatePtr& state, std::uint32_t code) noexcept {
  state->broken = true;
  state->changed.notify();
  if (over_ || state->closed) return;
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, state->id, code);
  want_send();
}

void SessionImpl::abandon(const StatePtr& state) noexcept {
  if (state->abandoned) return;
  state->abandoned = true;
  if (over_) return;
  if (!state->inbox.empty()) {
    nghttp2_session_consume_connection(session_.get(), state->inbox.size());
    state->inbox.clear();
    want_send();
  }
  if (state->closed) return;
  const bool wants_more = role_ == Role::client && !state->remote_finished;
  if (!state->finishing || wants_more) {
    reset(state, NGHTTP2_CANCEL);
  } else if (role_ == Role::server && !state->remote_finished &&
             nghttp2_session_get_stream_local_close(session_.get(), state->id) == 1) {
    reset(state, NGHTTP2_NO_ERROR);
  }
}

asio::awaitable<std::string> SessionImpl::read(StatePtr state) {
  const auto keep = shared_from_this();
  while (state->inbox.empty() && !state->remote_finished && !state->broken) co_await state->changed.wait();
  // What arrived before the peer vanished is still good; only then does the loss show.
  std::string bytes = std::exchange(state->inbox, {});
  if (bytes.empty()) {
    if (state->remote_finished) co_return bytes;
    throw Error(std::string(field(state->request, ":path")) + ": the other side broke off");
  }
  if (!over_) {
    nghttp2_session_consume(session_.get(), state->id, bytes.size());
    want_send();
  }
  co_return bytes;
}

asio::awaitable<void> SessionImpl::write(StatePtr state, std::string bytes) {
  const auto keep = shared_from_this();
  if (role_ == Role::server && !state->responded) respond(state, 200, {});
  while (state->unsent() >= limits_.send_buffer && !state->broken && !state->closed) co_await state->changed.wait();
  if (state->broken || state->closed) {
    throw Error(std::string(field(state->request, ":path")) + ": the other side has closed the stream");
  }
  if (state->finishing) throw Error("writing after the end");
  state->outbox.append(bytes);
  nghttp2_session_resume_data(session_.get(), state->id);
  want_send();
}

std::shared_ptr<Session> Session::create(asio::any_io_executor executor, UniqueFd transport, Role role, Limits limits,
                                         Handler handler) {
  return std::make_shared<SessionImpl>(std::move(executor), std::move(transport), role, limits, std::move(handler));
}

}  // namespace agentvm::link
