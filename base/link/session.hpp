// session.hpp - the inside of a Session: what session.cpp, callbacks.cpp and stream.cpp share.
//
// nghttp2 is a state machine without I/O. The reader coroutine feeds it what arrives; its callbacks put bytes into the
// streams' inboxes and wake whoever waits. The writer coroutine drains nghttp2_session_mem_send in batches. Windows are
// opened only as a reader takes bytes out of an inbox (no_auto_window_update), which is the whole of back-pressure.
#pragma once

#include <nghttp2/nghttp2.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/link/link.hpp"

namespace agentvm::link {

namespace asio = boost::asio;

inline constexpr std::size_t batch_bytes = 64 * 1024;
/// Resets the peer may ask for at once, and per second from then on: bounds CVE-2023-44487 whatever nghttp2's version.
inline constexpr double reset_burst = 1000;
inline constexpr double resets_per_second = 100;

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

class SessionImpl final : public Session {
 public:
  SessionImpl(asio::any_io_executor executor, UniqueFd transport, Role role, Limits limits, Handler handler);

  asio::awaitable<std::string> run() override;
  StreamPtr open(std::string method, std::string path, Fields fields, bool end) override;
  asio::awaitable<std::chrono::nanoseconds> ping() override;
  void close() noexcept override;
  void wind_down() noexcept override;
  asio::awaitable<void> join() override;
  bool open_for_streams() const noexcept override { return !over_ && !closing_ && !winding_down_; }

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
  asio::awaitable<std::string> read_loop();
  asio::awaitable<void> write_loop();
  asio::awaitable<void> watch_closing();
  static asio::awaitable<void> serve(std::shared_ptr<SessionImpl> me, StatePtr state);
  static asio::awaitable<void> handle(std::shared_ptr<SessionImpl> me, StatePtr state);
  bool all_sent() const noexcept;
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
  std::chrono::steady_clock::time_point resets_counted_ = std::chrono::steady_clock::now();
  TaskGroup own_tasks_;        ///< joined by run()
  TaskGroup handlers_;         ///< joined by join()
  std::size_t handling_ = 0;   ///< handlers that have not returned
  std::uint64_t moved_ = 0;    ///< bytes of bodies handed to the peer so far
  bool winding_down_ = false;  ///< closing_ follows once no handler is left
  bool closing_ = false;
  bool terminated_ = false;  ///< the GOAWAY of a close is queued
  bool over_ = false;
  std::string failure_;  // what a callback objected to
};

/// The user's handle of a stream; dropping it abandons the stream.
StreamPtr make_handle(std::shared_ptr<SessionImpl> session, StatePtr state);
/// The fields as nghttp2 takes them; they refer to `fields`.
std::vector<nghttp2_nv> name_values(const Fields& fields);

}  // namespace agentvm::link
