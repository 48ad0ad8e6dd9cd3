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

/// What a model's API needs of a client's fields, by name or by how the name begins. Everything else stays here:
/// credentials and cookies, who is to be billed (OpenAI-Organization), and whatever makes a server on the way take the
/// request for another one (X-Original-URL, X-HTTP-Method-Override, X-Forwarded-Host and the like).
constexpr std::array<std::string_view, 27> passed_fields = {"accept",
                                                            "accept-language",
                                                            "content-type",
                                                            "content-encoding",
                                                            "user-agent",
                                                            "if-none-match",
                                                            "idempotency-key",
                                                            "traceparent",
                                                            "tracestate",
                                                            "x-request-id",
                                                            "x-client-request-id",
                                                            "openai-beta",
                                                            "originator",
                                                            "version",
                                                            "session-id",
                                                            "session_id",
                                                            "thread-id",
                                                            "thread_id",
                                                            "conversation-id",
                                                            "conversation_id",
                                                            "x-openai-subagent",
                                                            "x-openai-memgen-request",
                                                            "x-responsesapi-include-timing-metrics",
                                                            "x-session-affinity",
                                                            "x-session-id",
                                                            "http-referer",
                                                            "x-title"};
constexpr std::array<std::string_view, 2> passed_beginnings = {"x-codex-", "x-stainless-"};

/// What the key is lent for: the model's answers, and the list of models. Nothing that reads, makes or deletes anything
/// else of the account.
struct Endpoint {
  std::string_view method, path;
};
constexpr std::array<Endpoint, 4> endpoints = {Endpoint{"POST", "/responses"}, Endpoint{"POST", "/responses/compact"},
                                               Endpoint{"POST", "/chat/completions"}, Endpoint{"GET", "/models"}};
/// What may be asked for behind the ?; others could rename the method (_method) or the path.
constexpr std::array<std::string_view, 6> passed_parameters = {"client_version", "api-version", "beta",
                                                               "limit",          "after",       "order"};

template <std::size_t size>
bool is_one_of(const std::array<std::string_view, size>& words, std::string_view word) noexcept {
  return std::any_of(words.begin(), words.end(), [&](std::string_view one) { return same_word(one, word); });
}

bool is_passed(std::string_view name) noexcept {
  return is_one_of(passed_fields, name) ||
         std::any_of(passed_beginnings.begin(), passed_beginnings.end(),
                     [&](std::string_view begin) { return same_word(name.substr(0, begin.size()), begin); });
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

/// Each parameter's name must be one of ours, as it stands: nothing is decoded here, so nothing is hidden either.
void check_query(std::string_view query) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view name = query.substr(0, std::min(query.find('='), end));
    if (!is_one_of(passed_parameters, name) || query.substr(0, end).find(';') != std::string_view::npos) {
      throw HttpError(403, fmt::format("the gateway does not pass the parameter \"{}\" on", name.substr(0, 60)));
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
}

std::string lent_for() {
  std::string text;
  for (const Endpoint& endpoint : endpoints) {
    if (!text.empty()) text += &endpoint == &endpoints.back() ? " and " : ", ";
    text += fmt::format("{} {}{}", endpoint.method, guest_base_path, endpoint.path);
  }
  return text;
}

}  // namespace

std::string upstream_target(const HttpHead& guest, const UpstreamUrl& upstream) {
  if (guest.method == "CONNECT") throw HttpError(400, "this gateway is no proxy: it takes no CONNECT requests");
  if (!guest.target.starts_with('/')) throw HttpError(400, "this gateway takes only paths, and is no proxy");
  if (!std::all_of(guest.target.begin(), guest.target.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; })) {
    throw HttpError(400, "the path holds a byte that must be percent-encoded");
  }
  const std::string_view target = guest.target;
  const std::string_view path = target.substr(0, target.find('?'));
  const bool lent = path.starts_with(guest_base_path) &&
                    std::any_of(endpoints.begin(), endpoints.end(), [&](const Endpoint& endpoint) {
                      return guest.method == endpoint.method && path.substr(guest_base_path.size()) == endpoint.path;
                    });
  if (!lent) {
    throw HttpError(403, fmt::format("the model's key is lent for {} only, not for {} {}", lent_for(),
                                     guest.method.substr(0, 20), path.substr(0, 200)));
  }
  if (path.size() < target.size()) check_query(target.substr(path.size() + 1));
  return upstream.base_path + std::string(target.substr(guest_base_path.size()));
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
    const bool dropped = !is_passed(name) || std::any_of(named.begin(), named.end(), [&, &field = name](auto word) {
      return same_word(word, field);
    });
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
    case 403:
      reason = "Forbidden";
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
    case 503:
      reason = "Service Unavailable";
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
