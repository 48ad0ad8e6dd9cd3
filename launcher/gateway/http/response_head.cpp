// response_head.cpp - line by line; field names and values are left to the parser proper.
#include "launcher/gateway/http/response_head.hpp"

#include <algorithm>
#include <optional>

#include "launcher/gateway/http/http_reader.hpp"

namespace agentvm::gateway {

namespace {

/// Takes the next line off `rest`, without its line end; nullopt when it has no end yet.
std::optional<std::string_view> take_line(std::string_view& rest) noexcept {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = rest.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  rest.remove_prefix(end + 1);
  return line;
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string status_line(std::string_view line) {
  constexpr std::size_t status_end = 12;  // HTTP/1.1 200
  std::string text(line);
  if (text.size() == status_end) text += ' ';
  for (std::size_t i = std::min(status_end, text.size()); i < text.size(); ++i) {
    if (text[i] < 0x20 || text[i] > 0x7e) text[i] = '?';  // shown to people at most
  }
  return text;
}

/// What the fields say about the body's end.
struct Framing {
  bool chunked = false;
  std::optional<std::string> length;

  void take_lengths(std::string_view list) {
    while (true) {
      const std::size_t comma = std::min(list.find(','), list.size());
      const std::string_view one = trimmed(list.substr(0, comma));
      const bool digits =
          !one.empty() && std::all_of(one.begin(), one.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!digits || (length && *length != one)) throw HttpError(400, "its Content-Length is not one number");
      length = std::string(one);
      if (comma == list.size()) return;
      list.remove_prefix(comma + 1);
    }
  }
  void take_codings(std::string_view list) {
    const std::string_view coding = trimmed(list);
    if (same_word(coding, "identity")) return;
    if (!same_word(coding, "chunked") || chunked) throw HttpError(400, "it has a transfer coding other than chunked");
    chunked = true;
  }
};

}  // namespace

std::size_t response_head_length(std::string_view bytes) noexcept {
  std::string_view rest = bytes;
  bool begun = false;
  while (const auto line = take_line(rest)) {
    if (line->empty() && begun) return bytes.size() - rest.size();
    begun = begun || !line->empty();
  }
  return 0;
}

std::string strict_response_head(std::string_view head) {
  std::string strict;
  Framing framing;
  while (const auto line = take_line(head)) {
    if (line->empty()) continue;  // before the status line, and the last one
    if (strict.empty()) {
      strict = status_line(*line) + "\r\n";
      continue;
    }
    if (line->front() == ' ' || line->front() == '\t') throw HttpError(400, "a field is folded over two lines");
    const std::size_t colon = std::min(line->find(':'), line->size());
    const std::string_view value = colon < line->size() ? line->substr(colon + 1) : std::string_view();
    if (same_word(line->substr(0, colon), "content-length")) {
      framing.take_lengths(value);
    } else if (same_word(line->substr(0, colon), "transfer-encoding")) {
      framing.take_codings(value);
    } else {
      strict.append(*line).append("\r\n");
    }
  }
  if (framing.chunked) {
    strict += "Transfer-Encoding: chunked\r\n";
  } else if (framing.length) {
    strict += "Content-Length: " + *framing.length + "\r\n";
  }
  return strict + "\r\n";
}

}  // namespace agentvm::gateway
