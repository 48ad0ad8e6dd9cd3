// model_http.cpp - see model_http.hpp.
#include "launcher/gateway/model/model_http.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

namespace agentvm::gateway {

namespace {

/// RFC 9110, 7.6.1, and what older software sends.
constexpr std::array<std::string_view, 11> hop_by_hop = {
    "connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "te",
    "trailer",    "upgrade",    "http2-settings",   "transfer-encoding",   "content-length"};

/// The host decides who is asking and who pays, not the guest.
constexpr std::array<std::string_view, 8> not_from_the_guest = {
    "host", "authorization", "cookie", "cookie2", "accept-encoding", "expect", "openai-organization", "openai-project"};

constexpr std::array<std::string_view, 7> methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

template <std::size_t size>
bool is_one_of(const std::array<std::string_view, size>& words, std::string_view word) noexcept {
  return std::any_of(words.begin(), words.end(), [&](std::string_view one) { return same_word(one, word); });
}

bool ends_with_word(std::string_view text, std::string_view end) noexcept {
  return text.size() >= end.size() && same_word(text.substr(text.size() - end.size()), end);
}

bool is_credential(std::string_view name) noexcept {
  if (same_word(name, "idempotency-key")) return false;  // names a request, opens nothing
  return ends_with_word(name, "key") || ends_with_word(name, "token") || ends_with_word(name, "secret");
}

/// The field names listed in all Connection fields.
std::vector<std::string_view> connection_words(const HttpFields& fields) {
  std::vector<std::string_view> words;
  for (const auto& [name, value] : fields) {
    if (!same_word(name, "connection") && !same_word(name, "proxy-connection")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      std::string_view word = rest.substr(0, comma);
      while (!word.empty() && (word.front() == ' ' || word.front() == '\t')) word.remove_prefix(1);
      while (!word.empty() && (word.back() == ' ' || word.back() == '\t')) word.remove_suffix(1);
      if (!word.empty()) words.push_back(word);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return words;
}

/// Decodes %2e and %2f, which some servers do before they resolve dot segments.
std::string with_dots_and_slashes_decoded(std::string_view path) {
  std::string text;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const std::string_view escape = path.substr(i, 3);
    if (same_word(escape, "%2e")) {
      text += '.';
      i += 2;
    } else if (same_word(escape, "%2f") || same_word(escape, "%5c")) {
      text += '/';
      i += 2;
    } else {
      text += path[i] == '\\' ? '/' : path[i];
    }
  }
  return text;
}

bool has_dot_segment(std::string_view path) {
  const std::string text = with_dots_and_slashes_decoded(path) + "/";
  // A parameter behind a semicolon belongs to its segment for some servers, and to nothing for others.
  return text.find("/../") != std::string::npos || text.find("/./") != std::string::npos ||
         text.find("/..;") != std::string::npos || text.find("/.;") != std::string::npos;
}

}  // namespace

std::string upstream_target(const HttpHead& guest, const UpstreamUrl& upstream) {
  if (!is_one_of(methods, guest.method)) {
    throw HttpError(guest.method == "CONNECT" ? 400 : 405,
                    "this gateway takes no " + guest.method.substr(0, 20) + " requests");
  }
  if (!guest.target.starts_with('/')) throw HttpError(400, "this gateway takes only paths, and is no proxy");
  if (!std::all_of(guest.target.begin(), guest.target.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; })) {
    throw HttpError(400, "the path holds a byte that must be percent-encoded");
  }
  const std::string_view target = guest.target;
  const std::string_view path = target.substr(0, target.find('?'));
  if (has_dot_segment(path)) throw HttpError(400, "the path holds a dot segment");
  if (path != guest_base_path && !path.starts_with(std::string(guest_base_path) + "/")) {
    throw HttpError(404, "only paths below " + std::string(guest_base_path) + "/ lead to the model");
  }
  std::string result = upstream.base_path + std::string(target.substr(guest_base_path.size()));
  if (!result.starts_with('/')) result.insert(0, "/");
  return result;
}

std::string upstream_request_head(const HttpHead& guest, const UpstreamUrl& upstream, std::string_view key) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", guest.method, upstream_target(guest, upstream),
                                 upstream.host_field());
  if (!key.empty()) head += fmt::format("Authorization: Bearer {}\r\n", key);
  for (const auto& [name, value] : guest.fields) {
    if (same_word(name, "transfer-encoding") && !same_word(value, "chunked")) {
      throw HttpError(400, "no transfer coding but chunked is taken");
    }
  }
  const auto named = connection_words(guest.fields);
  for (const auto& [name, value] : guest.fields) {
    const bool dropped =
        is_one_of(hop_by_hop, name) || is_one_of(not_from_the_guest, name) || is_credential(name) ||
        std::any_of(named.begin(), named.end(), [&, &field = name](auto word) { return same_word(word, field); });
    if (!dropped) head += fmt::format("{}: {}\r\n", name, value);
  }
  if (guest.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (guest.content_length) {
    head += fmt::format("Content-Length: {}\r\n", *guest.content_length);
  }
  // One connection a request: nothing of one answer can ever be taken for another's.
  head += "Connection: close\r\n\r\n";
  return head;
}

Framing response_framing(const HttpHead& request, const HttpHead& response) noexcept {
  if (request.method == "HEAD" || response.status == 204 || response.status == 304 || response.status / 100 == 1) {
    return Framing::none;
  }
  if (response.content_length && !response.chunked) return Framing::length;
  return request.version >= 11 ? Framing::chunked : Framing::close;
}

std::string guest_response_head(const HttpHead& response, Framing framing, bool keep_alive) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, response.reason);
  const auto named = connection_words(response.fields);
  for (const auto& [name, value] : response.fields) {
    const bool dropped =
        is_one_of(hop_by_hop, name) || same_word(name, "set-cookie") || same_word(name, "set-cookie2") ||
        std::any_of(named.begin(), named.end(), [&, &field = name](auto word) { return same_word(word, field); });
    if (!dropped) head += fmt::format("{}: {}\r\n", name, value);
  }
  // A HEAD answer's length is that of the body it does not have.
  if (response.content_length && (framing == Framing::length || framing == Framing::none)) {
    head += fmt::format("Content-Length: {}\r\n", *response.content_length);
  }
  if (framing == Framing::chunked) head += "Transfer-Encoding: chunked\r\n";
  head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

std::string error_response(int status, std::string_view code, std::string_view message, bool head_only) {
  const nlohmann::json document = {
      {"error", {{"message", message}, {"type", "agentvm_gateway_error"}, {"param", nullptr}, {"code", code}}}};
  const std::string body = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  std::string_view reason = "Error";
  switch (status) {
    case 400:
      reason = "Bad Request";
      break;
    case 404:
      reason = "Not Found";
      break;
    case 405:
      reason = "Method Not Allowed";
      break;
    case 408:
      reason = "Request Timeout";
      break;
    case 413:
      reason = "Content Too Large";
      break;
    case 431:
      reason = "Request Header Fields Too Large";
      break;
    case 502:
      reason = "Bad Gateway";
      break;
    case 504:
      reason = "Gateway Timeout";
      break;
    default:
      break;
  }
  std::string text =
      fmt::format("HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                  status, reason, body.size());
  if (!head_only) text += body;
  return text;
}

std::string chunk(std::string_view bytes) {
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

}  // namespace agentvm::gateway
