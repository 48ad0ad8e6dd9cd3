// callbacks.cpp - what nghttp2 calls: header blocks, data, frames and ends, put into the streams' states.
#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "base/error.hpp"
#include "base/link/session.hpp"

namespace agentvm::link {

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
    if (me.winding_down_ || me.closing_) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
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
      ++me.handling_;
      me.handlers_.spawn(serve(std::static_pointer_cast<SessionImpl>(me.shared_from_this()), state));
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
  me.moved_ += count;
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

}  // namespace agentvm::link
