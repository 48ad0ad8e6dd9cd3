// http_head_fuzz.cpp - requests of a guest and answers of an upstream, through the model gateway's own functions.
//
// Besides not crashing: memory stays bounded, pieces make no difference, what is sent on to the upstream is a head a
// strict reader takes, with one Authorization, ours, for one of the few paths the key is lent for; and an answer that
// was taken leniently is a strict one for the guest, with one way to tell where it ends.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "launcher/gateway/http/http_reader.hpp"
#include "launcher/gateway/http/upstream_url.hpp"
#include "launcher/gateway/model/model_http.hpp"
#include "launcher/gateway/model/sse_observer.hpp"

using namespace agentvm::gateway;

namespace {

constexpr HttpReaderLimits limits{.head_bytes = 2048, .body_bytes = 4096};

void require(bool condition) {
  if (!condition) std::abort();
}

struct Outcome {
  int refused = 0;
  bool done = false;
  std::string head, body;
  bool operator==(const Outcome&) const = default;
};

/// What is made of the bytes when they arrive in pieces of that size.
Outcome read_in_pieces(HttpKind kind, std::string_view text, std::size_t piece) {
  static const UpstreamUrl upstream = parse_upstream("https://api.example/base");
  static const HttpHead plain_request = [] {
    HttpReader reader(HttpKind::request, {});
    reader.feed("GET /v1/models HTTP/1.1\r\n\r\n");
    return reader.head();
  }();
  Outcome outcome;
  HttpReader reader(kind, limits);
  try {
    for (std::size_t at = 0; at < text.size() && !reader.done(); at += piece) {
      reader.feed(text.substr(at, piece));
      outcome.body += reader.take_body();
      require(outcome.body.size() <= *limits.body_bytes);
    }
    reader.feed_end();
    outcome.done = reader.done();
    outcome.head = kind == HttpKind::request
                       ? upstream_request_head(reader.head(), upstream, "the-key")
                       : guest_response_head(reader.head(), response_framing(plain_request, reader.head()), true);
  } catch (const HttpError& error) {
    outcome.refused = error.status();
    outcome.body.clear();
    const std::string answer = error_response(error.status(), "x", error.what());
    require(answer.starts_with("HTTP/1.1 "));
  }
  return outcome;
}

void check_sent_on(const std::string& head) {
  HttpReader reader(HttpKind::request, {.head_bytes = 64 * 1024});
  reader.feed(head);
  require(reader.head_done());
  const std::string path = reader.head().target.substr(0, reader.head().target.find('?'));
  require(reader.head().method == "GET"
              ? path == "/base/models"
              : reader.head().method == "POST" && (path == "/base/responses" || path == "/base/responses/compact" ||
                                                   path == "/base/chat/completions"));
  const auto count = [&](std::string_view name) {
    return std::count_if(reader.head().fields.begin(), reader.head().fields.end(),
                         [&](const auto& field) { return same_word(field.first, name); });
  };
  require(count("authorization") == 1 && *find_field(reader.head().fields, "authorization") == "Bearer the-key");
  require(count("host") == 1 && *find_field(reader.head().fields, "host") == "api.example");
  require(count("cookie") == 0 && count("accept-encoding") == 0 && count("connection") == 1);
  require(count("content-length") + count("transfer-encoding") <= 1);
}

/// Strictly read, by rules of its own: CRLF at every line's end and nowhere else, no folded lines, one length at most.
void check_answer(std::string_view head) {
  require(head.starts_with("HTTP/1.1 ") && head.ends_with("\r\n\r\n"));
  int ends = 0;
  for (std::size_t at = 0; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    require(end != std::string_view::npos);
    const std::string_view line = head.substr(at, end - at);
    require(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    require(line.empty() ? end + 2 == head.size() : line.front() != ' ' && line.front() != '\t');
    const std::string_view name = line.substr(0, line.find(':'));
    ends += same_word(name, "content-length") || same_word(name, "transfer-encoding") ? 1 : 0;
    at = end + 2;
  }
  require(ends <= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const HttpKind kind = data[0] % 2 == 0 ? HttpKind::request : HttpKind::response;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Outcome whole = read_in_pieces(kind, text, text.size() + 1);
  const Outcome pieces = read_in_pieces(kind, text, data[1] % 16 + std::size_t{1});
  require((whole.refused != 0) == (pieces.refused != 0));
  if (whole.refused == 0) require(whole == pieces);
  if (whole.refused == 0 && kind == HttpKind::request) check_sent_on(whole.head);
  if (whole.refused == 0 && kind == HttpKind::response) check_answer(whole.head);

  SseObserver observer([](const std::string& command) { require(!command.empty() && command.size() <= 300); });
  observer.feed(text);
  return 0;
}
