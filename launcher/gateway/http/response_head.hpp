// response_head.hpp - a server's answer head, rewritten as a strict parser takes it.
//
// Codex's HTTP client (hyper on httparse) takes lines that end in a bare LF, empty lines before the status line, a
// status without a reason, and a Content-Length beside chunked, which chunked overrules (RFC 9112, 6.3). So do we. What
// two parsers could read in two ways is refused: folded lines, lengths that differ, codings other than chunked.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace agentvm::gateway {

/// The length of the head with its final empty line; 0 when that has not come yet.
std::size_t response_head_length(std::string_view bytes) noexcept;

/// The same head with CRLF line ends, a space behind the status, and either one Content-Length or chunked. Throws
/// HttpError 400.
std::string strict_response_head(std::string_view head);

}  // namespace agentvm::gateway
