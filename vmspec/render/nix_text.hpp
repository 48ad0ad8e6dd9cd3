// nix_text.hpp - the single place where a string becomes Nix.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace agentvm::vmspec {

/// A Nix string with its quotes that evaluates to exactly these bytes (Nix manual, "String literal"). Quotes,
/// backslashes and "${" are escaped, so nothing in it is ever an interpolation; what would drive a terminal is spelled
/// as JSON inside one of our own. Throws Error for a NUL byte: no Nix string can hold one.
std::string nix_string(std::string_view text);

/// A name as it stands before "=" or after ".": bare where Nix allows one, else a string. Throws as nix_string does.
std::string nix_attribute(std::string_view name);

/// A dotted path with each part as an attribute: "python3Packages.7z" as python3Packages."7z".
std::string nix_attribute_path(std::string_view path);

/// Expressions as a list, one a line and two columns further in than `indent`; "[ ]" when there are none. The first
/// line is not indented: it stands behind "=".
std::string nix_list(const std::vector<std::string>& expressions, unsigned indent);

/// { NAME = "VALUE"; ... } laid out likewise.
std::string nix_string_set(const std::map<std::string, std::string>& entries, unsigned indent);

/// "# TEXT" in one line; control characters, which could end it, become spaces.
std::string nix_comment(std::string_view text);

}  // namespace agentvm::vmspec
