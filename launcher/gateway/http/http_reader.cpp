// http_reader.cpp - Beast's parser as a push parser that collects what we need.
#include "launcher/gateway/http/http_reader.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "launcher/gateway/http/response_head.hpp"

namespace agentvm::gateway {

namespace http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using Text = boost::beast::string_view;

namespace {

/// Longest line between chunks (size and extensions), bytes.
constexpr std::size_t chunk_line_bytes = 4096;

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

template <bool is_request>
class Parser final : public http::basic_parser<is_request> {
 public:
  HttpHead head;
  std::string body;

  void on_request_impl(http::verb, Text method, Text target, int version, ErrorCode&) override {
    head.method = std::string(method);
    head.target = std::string(target);
    head.version = version;
  }
  void on_response_impl(int code, Text reason, int version, ErrorCode&) override {
    head.status = code;
    head.reason = std::string(reason);
    head.version = version;
  }
  void on_field_impl(http::field, Text name, Text value, ErrorCode&) override {
    if (!this->is_header_done() && !body_begun_) head.fields.emplace_back(std::string(name), std::string(value));
  }
  // Newer Beast hands trailers over separately; either way nobody asked for them.
  void on_trailer_field_impl(http::field, Text, Text, ErrorCode&) {}
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override { body_begun_ = true; }
  std::size_t on_body_impl(Text bytes, ErrorCode&) override {
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text bytes, ErrorCode&) override {
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_finish_impl(ErrorCode&) override {}

 private:
  bool body_begun_ = false;
};

HttpError refusal(const ErrorCode& error) {
  if (error == http::error::header_limit) return {431, "the head is too long"};
  if (error == http::error::body_limit) return {413, "the body is too long"};
  return {400, "not a proper HTTP/1.1 message: " + error.message()};
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

const std::string* find_field(const HttpFields& fields, std::string_view name) noexcept {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return same_word(field.first, name); });
  return found == fields.end() ? nullptr : &found->second;
}

struct HttpReader::Impl {
  virtual ~Impl() = default;
  virtual std::size_t put(std::string_view bytes, ErrorCode& error) = 0;
  virtual void put_eof(ErrorCode& error) = 0;
  virtual bool got_some() const = 0;
  virtual bool head_done() const = 0;
  virtual bool done() const = 0;
  virtual HttpHead& head() = 0;
  virtual std::string& body() = 0;
  virtual void finish_head() = 0;

  /// The head of an answer is made strict before it is parsed, and so is waited for as a whole.
  bool make_head_strict();

  HttpReaderLimits limits;
  std::string pending;      // not parsed yet
  bool head_ready = false;  // what is pending may be parsed
  std::size_t head_bytes = 0;
  bool head_finished = false;
};

namespace {

template <bool is_request, typename Base>
struct ReaderImpl final : Base {
  explicit ReaderImpl(const HttpReaderLimits& reader_limits) {
    this->limits = reader_limits;
    parser.eager(true);
    parser.header_limit(static_cast<std::uint32_t>(reader_limits.head_bytes));
    if (reader_limits.body_bytes) {
      parser.body_limit(*reader_limits.body_bytes);
    } else {
      parser.body_limit(boost::none);
    }
    if (reader_limits.without_body) parser.skip(true);
  }
  std::size_t put(std::string_view bytes, ErrorCode& error) override {
    return parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  }
  void put_eof(ErrorCode& error) override { parser.put_eof(error); }
  bool got_some() const override { return parser.got_some(); }
  bool head_done() const override { return parser.is_header_done(); }
  bool done() const override { return parser.is_done(); }
  HttpHead& head() override { return parser.head; }
  std::string& body() override { return parser.body; }
  void finish_head() override {
    parser.head.chunked = parser.chunked();
    parser.head.keep_alive = parser.keep_alive();
    if (const auto length = parser.content_length()) parser.head.content_length = *length;
  }

  Parser<is_request> parser;
};

}  // namespace

bool HttpReader::Impl::make_head_strict() {
  const std::size_t length = response_head_length(pending);
  if ((length == 0 ? pending.size() : length) > limits.head_bytes) {
    throw HttpError(431, "the head is longer than " + std::to_string(limits.head_bytes) + " bytes");
  }
  if (length == 0) return false;
  pending.replace(0, length, strict_response_head(std::string_view(pending).substr(0, length)));
  head_ready = true;
  return true;
}

HttpReader::HttpReader(HttpKind kind, HttpReaderLimits limits) {
  if (kind == HttpKind::request) {
    impl_ = std::make_unique<ReaderImpl<true, Impl>>(limits);
    impl_->head_ready = true;
  } else {
    impl_ = std::make_unique<ReaderImpl<false, Impl>>(limits);
  }
}
HttpReader::~HttpReader() = default;
HttpReader::HttpReader(HttpReader&&) noexcept = default;
HttpReader& HttpReader::operator=(HttpReader&&) noexcept = default;

void HttpReader::feed(std::string_view bytes) {
  auto& me = *impl_;
  me.pending.append(bytes);
  if (!me.head_ready && !me.make_head_strict()) return;
  while (!me.pending.empty() && !me.done()) {
    ErrorCode error;
    const std::size_t used = me.put(me.pending, error);
    me.pending.erase(0, used);
    if (!me.head_finished) {
      me.head_bytes += used;
      // Beast counts the start line and the fields apart.
      if (!me.head_done() && me.head_bytes + me.pending.size() > me.limits.head_bytes) {
        throw HttpError(431, "the head is longer than " + std::to_string(me.limits.head_bytes) + " bytes");
      }
      if (me.head_done()) {
        me.finish_head();
        me.head_finished = true;
      }
    }
    if (error == http::error::need_more) break;
    if (error) throw refusal(error);
    if (used == 0) break;
  }
  if (me.head_finished && !me.done() && me.pending.size() > chunk_line_bytes) {
    throw HttpError(400, "a chunk's head is longer than " + std::to_string(chunk_line_bytes) + " bytes");
  }
}

void HttpReader::feed_end() {
  auto& me = *impl_;
  if (me.done()) return;
  if (!started()) throw HttpError(400, "the connection ended before a message");
  if (!me.head_ready) throw HttpError(400, "the connection ended within a message");
  ErrorCode error;
  me.put_eof(error);
  if (error) throw HttpError(400, "the connection ended within a message");
}

bool HttpReader::started() const noexcept {
  return impl_->got_some() || !impl_->pending.empty();
}
bool HttpReader::head_done() const noexcept {
  return impl_->head_finished;
}
bool HttpReader::done() const noexcept {
  return impl_->done();
}
const HttpHead& HttpReader::head() const noexcept {
  return impl_->head();
}
std::string HttpReader::take_body() {
  return std::exchange(impl_->body(), {});
}
std::string HttpReader::take_rest() {
  return std::exchange(impl_->pending, {});
}

}  // namespace agentvm::gateway
