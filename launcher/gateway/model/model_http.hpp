// model_http.hpp - what the model gateway makes of heads: pure, from a head to the text that is sent on.
#pragma once

#include <string>
#include <string_view>

#include "launcher/gateway/http/http_reader.hpp"
#include "launcher/gateway/http/upstream_url.hpp"

namespace agentvm::gateway {

/// The path prefix the guest's base_url has; it stands for the upstream's base path.
inline constexpr std::string_view guest_base_path = "/v1";

/// The target to ask the upstream for. Throws HttpError: 400 for CONNECT, other forms than "/..." and unusual bytes,
/// 403 for every method and path but those a model's client needs, compared as they stand (POST /v1/responses,
/// /v1/responses/compact and /v1/chat/completions, GET /v1/models), and for query parameters beyond a few.
std::string upstream_target(const HttpHead& guest, const UpstreamUrl& upstream);

/// The whole head for the upstream, with its final empty line. The body's framing is kept: its length, or chunked. Of
/// the guest's fields those pass that a model's client needs; Host and Authorization are ours. Accept-Encoding stays
/// here, so that the answer can be read along. Throws HttpError as upstream_target does, and 400 for a transfer coding
/// other than chunked.
std::string upstream_request_head(const HttpHead& guest, const UpstreamUrl& upstream, std::string_view key);

/// How the body of an answer is delimited towards the guest.
enum class Framing { none, length, chunked, close };
Framing response_framing(const HttpHead& request, const HttpHead& response) noexcept;

/// The head for the guest, with its final empty line; hop-by-hop fields and cookies are left out.
std::string guest_response_head(const HttpHead& response, Framing framing, bool keep_alive);

/// A whole answer of our own in the shape OpenAI's errors have; always ends the connection.
std::string error_response(int status, std::string_view code, std::string_view message, bool head_only = false);

/// A piece of a chunked body; `bytes` must not be empty.
std::string chunk(std::string_view bytes);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace agentvm::gateway
