// http_reader.hpp - reads one HTTP/1.1 message out of bytes as they arrive, under limits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agentvm::gateway {

/// Field names as they were sent, values without surrounding blanks, in order.
using HttpFields = std::vector<std::pair<std::string, std::string>>;
/// The first field of that name, whatever its case; nullptr when there is none.
const std::string* find_field(const HttpFields& fields, std::string_view name) noexcept;
/// Equal but for the case of ASCII letters.
bool same_word(std::string_view a, std::string_view b) noexcept;

/// A message that is refused; `status` is what a server answers to it (400, 413, 431...).
class HttpError : public std::runtime_error {
 public:
  HttpError(int status, const std::string& sentence) : std::runtime_error(sentence), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

struct HttpHead {
  std::string method, target;  ///< of a request
  int status = 0;              ///< of a response
  std::string reason;
  int version = 11;  ///< 10 or 11
  HttpFields fields;
  bool chunked = false;
  std::optional<std::uint64_t> content_length;
  bool keep_alive = false;
};

enum class HttpKind { request, response };

struct HttpReaderLimits {
  std::size_t head_bytes = 64 * 1024;
  std::optional<std::uint64_t> body_bytes = {};  ///< nullopt: none
  bool without_body = false;                     ///< a response to HEAD: its length says nothing
};

/// One message; an answer's head as leniently as response_head.hpp says. What follows it in the same bytes is kept and
/// given to the next one's reader with take_rest().
class HttpReader {
 public:
  HttpReader(HttpKind kind, HttpReaderLimits limits);
  ~HttpReader();
  HttpReader(HttpReader&&) noexcept;
  HttpReader& operator=(HttpReader&&) noexcept;

  /// Takes all bytes. Throws HttpError: 431 too long a head, 413 too long a body, 400 anything else.
  void feed(std::string_view bytes);
  /// The peer has finished: ends a response without a length, throws HttpError for anything cut off.
  void feed_end();

  bool started() const noexcept;  ///< a byte of the message has come
  bool head_done() const noexcept;
  bool done() const noexcept;
  const HttpHead& head() const noexcept;  ///< complete once head_done()
  std::string take_body();                ///< what has come of the body since the last call, without chunk framing
  std::string take_rest();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agentvm::gateway
