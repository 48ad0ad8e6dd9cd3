// link.cpp - an HTTP/2 session on a descriptor: nghttp2 keeps the protocol, asio moves the bytes.
//
// nghttp2 is a state machine without I/O. The reader coroutine feeds it what arrives; its callbacks put bytes into the
// streams' inboxes and wake whoever waits. The writer coroutine drains nghttp2_session_mem_send in batches. Windows are
// opened only as a reader takes bytes out of an inbox (no_auto_window_update), which is the whole of back-pressure.
#include "base/link.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <optional>

#include "base/async_event.hpp"
#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::link {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t batch_bytes = 64 * 1024;
/// Resets the peer may ask for at once, and per second from then on: bounds CVE-2023-44487 whatever nghttp2's version.
constexpr double reset_burst = 1000;
constexpr double resets_per_second = 100;
constexpr std::chrono::seconds flush_time{1};

struct SessionDeleter {
  void operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }
};
using NgSession = std::unique_ptr<nghttp2_session, SessionDeleter>;

/// One stream as the session knows it; the user's handle is StreamHandle.
struct StreamState {
  StreamState(const asio::any_io_executor& executor, std::int32_t stream_id) : id(stream_id), changed(executor) {}

  std::int32_t id;
  AsyncEvent changed;
  Fields request, response, trailers;
  Fields incoming;  // the header block being received
  std::size_t incoming_bytes = 0;
  std::string inbox;
  std::string outbox;
  std::size_t outbox_sent = 0;
  Fields own_trailers;
  bool response_received = false;  // client
  bool responded = false;          // server
  bool finishing = false;          // we said finish()
  bool remote_finished = false;
  bool closed = false;     // nghttp2 is done with it
  bool broken = false;     // reset, or the link is lost
  bool abandoned = false;  // the handle is gone

  std::size_t unsent() const noexcept { return outbox.size() - outbox_sent; }
};
using StatePtr = std::shared_ptr<StreamState>;

std::vector<nghttp2_nv> name_values(const Fields& fields) {
  std::vector<nghttp2_nv> result;
  result.reserve(fields.size());
  for (const auto& [name, value] : fields) {
    result.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                      NGHTTP2_NV_FLAG_NONE});
  }
  return result;
}

class SessionImpl final : public Session {
 public:
  SessionImpl(asio::any_io_executor executor, UniqueFd transport, Role role, Limits limits, Handler handler)
      : executor_(executor),
        transport_(executor),
        role_(role),
        limits_(limits),
        handler_(std::move(handler)),
        send_wanted_(executor),
        pinged_(executor) {
    set_nonblocking(transport.get(), true);
    transport_.assign(transport.release());
    make_session();
  }

  asio::awaitable<std::string> run() override;
  StreamPtr open(std::string method, std::string path, Fields fields, bool end) override;
  asio::awaitable<std::chrono::nanoseconds> ping() override;
  void close() noexcept override;
  bool open_for_streams() const noexcept override { return !over_ && !closing_; }

  // What stream handles do.
  void respond(const StatePtr& state, int status, Fields fields);
  void finish(const StatePtr& state, Fields trailers);
  void reset(const StatePtr& state, std::uint32_t code) noexcept;
  void abandon(const StatePtr& state) noexcept;
  asio::awaitable<std::string> read(StatePtr state);
  asio::awaitable<void> write(StatePtr state, std::string bytes);
  Role role() const noexcept { return role_; }

 private:
  void make_session();
  void want_send() noexcept { send_wanted_.notify(); }
  asio::awaitable<void> write_loop();
  static asio::awaitable<void> serve(std::shared_ptr<SessionImpl> me, StatePtr state);
  void end() noexcept;
  bool spend_reset() noexcept;
  StatePtr find(std::int32_t id) const {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second;
  }

  static SessionImpl& self(void* user) noexcept { return *static_cast<SessionImpl*>(user); }
  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t flags, void* user);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_data(nghttp2_session*, std::uint8_t flags, std::int32_t id, const std::uint8_t* data, std::size_t size,
                     void* user);
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user);
  static ssize_t provide_data(nghttp2_session*, std::int32_t id, std::uint8_t* buffer, std::size_t size,
                              std::uint32_t* flags, nghttp2_data_source*, void* user);
  nghttp2_data_provider data_provider() noexcept {
    nghttp2_data_provider provider{};
    provider.read_callback = provide_data;
    return provider;
  }

  asio::any_io_executor executor_;
  asio::posix::stream_descriptor transport_;
  Role role_;
  Limits limits_;
  Handler handler_;
  NgSession session_;
  std::map<std::int32_t, StatePtr> streams_;
  AsyncEvent send_wanted_;
  AsyncEvent pinged_;
  std::uint64_t pings_sent_ = 0;
  std::uint64_t pings_answered_ = 0;
  double resets_left_ = reset_burst;
  steady_clock::time_point resets_counted_ = steady_clock::now();
  bool closing_ = false;
  bool over_ = false;
  std::string failure_;  // what a callback objected to
};

class StreamHandle final : public Stream {
 public:
  StreamHandle(std::shared_ptr<SessionImpl> session, StatePtr state)
      : session_(std::move(session)), state_(std::move(state)) {}
  StreamHandle(const StreamHandle&) = delete;
  StreamHandle& operator=(const StreamHandle&) = delete;
  ~StreamHandle() override { session_->abandon(state_); }

  const Fields& request() const noexcept override { return state_->request; }
  asio::awaitable<Fields> response() override {
    const auto state = state_;
    while (!state->response_received && !state->broken && !state->closed) co_await state->changed.wait();
    if (!state->response_received) throw Error(std::string(path()) + ": the other side gave no answer");
    co_return state->response;
  }
  void respond(int status, Fields fields) override { session_->respond(state_, status, std::move(fields)); }
  bool responded() const noexcept override { return state_->responded; }
  asio::awaitable<std::string> read() override { return session_->read(state_); }
  const Fields& trailers() const noexcept override { return state_->trailers; }
  asio::awaitable<void> write(std::string bytes) override { return session_->write(state_, std::move(bytes)); }
  void finish(Fields trailers) override { session_->finish(state_, std::move(trailers)); }
  void reset() noexcept override { session_->reset(state_, NGHTTP2_CANCEL); }
  bool broken() const noexcept override { return state_->broken; }
  asio::awaitable<void> closed() override {
    const auto state = state_;
    while (!state->closed && !state->broken) co_await state->changed.wait();
  }

 private:
  std::shared_ptr<SessionImpl> session_;
  StatePtr state_;
};

void SessionImpl::make_session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) throw std::bad_alloc();
  const std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)> callbacks_owner(
      callbacks, nghttp2_session_callbacks_del);
  const std::unique_ptr<nghttp2_option, decltype(&nghttp2_option_del)> option_owner(option, nghttp2_option_del);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_max_settings(option, 16);
  nghttp2_option_set_max_outbound_ack(option, 256);
  // Until the peer's SETTINGS come, assume what we ourselves would allow.
  nghttp2_option_set_peer_max_concurrent_streams(option, limits_.max_streams);
  nghttp2_session* session = nullptr;
  const int result = role_ == Role::client ? nghttp2_session_client_new2(&session, callbacks, this, option)
                                           : nghttp2_session_server_new2(&session, callbacks, this, option);
  if (result != 0) throw Error(std::string("starting an HTTP/2 session: ") + nghttp2_strerror(result));
  session_.reset(session);
  const std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, role_ == Role::server ? limits_.max_streams : 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits_.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits_.max_field_bytes)},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  }};
  // A server must not send ENABLE_PUSH (RFC 9113, 7).
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), role_ == Role::client ? 4 : 3);
  // The connection's window lets every stream fill its own: an unread stream never starves another.
  const auto connection_window =
      std::min<std::uint64_t>(std::uint64_t{limits_.stream_window} * limits_.max_streams, 1U << 30);
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, static_cast<std::int32_t>(connection_window));
}

int SessionImpl::on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  auto& me = self(user);
  if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    if (me.streams_.size() >= std::size_t{2} * me.limits_.max_streams) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    me.streams_[frame->hd.stream_id] = std::make_shared<StreamState>(me.executor_, frame->hd.stream_id);
  }
  if (const auto state = me.find(frame->hd.stream_id)) {
    state->incoming.clear();
    state->incoming_bytes = 0;
  }
  return 0;
}

int SessionImpl::on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                           std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                           void* user) {
  auto& me = self(user);
  const auto state = me.find(frame->hd.stream_id);
  if (!state) return 0;
  // 32 bytes a field is what HPACK counts as its overhead (RFC 7541, 4.1): many empty fields cost too.
  state->incoming_bytes += name_size + value_size + 32;
  if (state->incoming_bytes > me.limits_.max_field_bytes) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  state->incoming.emplace_back(std::string(reinterpret_cast<const char*>(name), name_size),
                               std::string(reinterpret_cast<const char*>(value), value_size));
  return 0;
}

int SessionImpl::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  auto& me = self(user);
  if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
    ++me.pings_answered_;
    me.pinged_.notify();
    return 0;
  }
  if (frame->hd.type == NGHTTP2_RST_STREAM && me.role_ == Role::server && !me.spend_reset()) {
    me.failure_ = "the other side resets too many streams";
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  const auto state = me.find(frame->hd.stream_id);
  if (!state) return 0;
  const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (end) state->remote_finished = true;
  if (frame->hd.type == NGHTTP2_HEADERS) {
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      state->request = std::move(state->incoming);
      asio::co_spawn(me.executor_, serve(std::static_pointer_cast<SessionImpl>(me.shared_from_this()), state),
                     asio::detached);
    } else if (!state->response_received && me.role_ == Role::client) {
      state->response = std::move(state->incoming);
      state->response_received = true;
    } else {
      state->trailers = std::move(state->incoming);
    }
    state->incoming.clear();
  }
  state->changed.notify();
  return 0;
}

int SessionImpl::on_frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  auto& me = self(user);
  const bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (!ends || me.role_ != Role::server) return 0;
  // The answer is complete and nobody will read the rest of the request: say so (RFC 9113, 8.1).
  const auto state = me.find(frame->hd.stream_id);
  if (state && state->abandoned && !state->remote_finished) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, state->id, NGHTTP2_NO_ERROR);
  }
  return 0;
}

int SessionImpl::on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                         std::size_t size, void* user) {
  auto& me = self(user);
  const auto state = me.find(id);
  if (!state || state->abandoned) {
    nghttp2_session_consume_connection(session, size);
    return 0;
  }
  state->inbox.append(reinterpret_cast<const char*>(data), size);
  state->changed.notify();
  return 0;
}

int SessionImpl::on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
  auto& me = self(user);
  const auto state = me.find(id);
  if (!state) return 0;
  state->closed = true;
  if (code != NGHTTP2_NO_ERROR || !state->remote_finished) state->broken = true;
  me.streams_.erase(id);
  state->changed.notify();
  return 0;
}

ssize_t SessionImpl::provide_data(nghttp2_session* session, std::int32_t id, std::uint8_t* buffer, std::size_t size,
                                  std::uint32_t* flags, nghttp2_data_source*, void* user) {
  auto& me = self(user);
  const auto state = me.find(id);
  if (!state) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::size_t count = std::min(size, state->unsent());
  if (count == 0 && !state->finishing) return NGHTTP2_ERR_DEFERRED;
  std::memcpy(buffer, state->outbox.data() + state->outbox_sent, count);
  state->outbox_sent += count;
  if (state->unsent() == 0) {
    state->outbox.clear();
    state->outbox_sent = 0;
    if (state->finishing) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!state->own_trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto fields = name_values(state->own_trailers);
        nghttp2_submit_trailer(session, id, fields.data(), fields.size());
      }
    }
  } else if (state->outbox_sent > batch_bytes) {
    state->outbox.erase(0, state->outbox_sent);
    state->outbox_sent = 0;
  }
  state->changed.notify();
  return static_cast<ssize_t>(count);
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
  const StreamPtr stream = std::make_shared<StreamHandle>(me, state);
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
    stream->reset();  // the peer left while being told: nobody is there to hear more
  }
}

asio::awaitable<std::string> SessionImpl::run() {
  const auto keep = shared_from_this();
  asio::co_spawn(
      executor_,
      [me = std::static_pointer_cast<SessionImpl>(keep)]() -> asio::awaitable<void> { co_await me->write_loop(); },
      asio::detached);
  std::string reason;
  std::vector<std::uint8_t> buffer(batch_bytes);
  while (!over_) {
    const auto [error, size] =
        co_await transport_.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (over_) break;
    if (error || size == 0) {
      if (error && error != asio::error::eof && !closing_) reason = "the link failed: " + error.message();
      break;
    }
    const ssize_t used = nghttp2_session_mem_recv(session_.get(), buffer.data(), size);
    if (used < 0) {
      reason = !failure_.empty()
                   ? failure_
                   : std::string("the other side broke the protocol: ") + nghttp2_strerror(static_cast<int>(used));
      break;
    }
    want_send();
    if (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0) break;
  }
  end();
  co_return reason;
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
      if (closing_ ||
          (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0)) {
        break;
      }
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
  return std::make_shared<StreamHandle>(std::static_pointer_cast<SessionImpl>(shared_from_this()), state);
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
  nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
  want_send();
  // A peer that reads nothing must not keep us: after a moment the descriptor is closed whatever is unsent.
  asio::co_spawn(
      executor_,
      [weak = weak_from_this()]() -> asio::awaitable<void> {
        co_await sleep_for(flush_time);
        if (const auto me = std::static_pointer_cast<SessionImpl>(weak.lock())) me->end();
      },
      asio::detached);
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

}  // namespace

std::shared_ptr<Session> Session::create(asio::any_io_executor executor, UniqueFd transport, Role role, Limits limits,
                                         Handler handler) {
  return std::make_shared<SessionImpl>(std::move(executor), std::move(transport), role, limits, std::move(handler));
}

}  // namespace agentvm::link
