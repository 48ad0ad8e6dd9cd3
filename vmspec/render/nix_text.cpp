// nix_text.cpp - the single place where a string becomes Nix.
#include "vmspec/render/nix_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace agentvm::vmspec {

namespace {

/// Nix manual, "Identifiers": none of these can be one.
constexpr std::array<std::string_view, 10> keywords = {"assert", "else", "if",  "in",   "inherit",
                                                       "let",    "or",   "rec", "then", "with"};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_identifier(std::string_view name) {
  const auto inner = [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '\''; };
  return !name.empty() && is_letter(name.front()) && std::all_of(name.begin(), name.end(), inner) &&
         std::find(keywords.begin(), keywords.end(), name) == keywords.end();
}

/// A line break of a list or set: `columns` spaces after it.
std::string new_line(unsigned columns) {
  return "\n" + std::string(columns, ' ');
}

}  // namespace

std::string nix_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) throw Error("a text with a NUL byte cannot be written as Nix", "Remove the NUL byte.");
    if (c == '"' || c == '\\' || c == '$') {
      // Every "$", not only the one of "${": "$${" has a meaning of its own.
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";  // a bare one would be read as a line feed
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      // Nix has no escape for these.
      out += fmt::format("${{builtins.fromJSON \"\\\"\\\\u{:04x}\\\"\"}}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string nix_attribute(std::string_view name) {
  return is_identifier(name) ? std::string(name) : nix_string(name);
}

std::string nix_attribute_path(std::string_view path) {
  std::string out;
  while (true) {
    const std::size_t dot = path.find('.');
    out += nix_attribute(path.substr(0, dot));
    if (dot == std::string_view::npos) return out;
    out += '.';
    path.remove_prefix(dot + 1);
  }
}

std::string nix_list(const std::vector<std::string>& expressions, unsigned indent) {
  if (expressions.empty()) return "[ ]";
  std::string out = "[";
  for (const std::string& expression : expressions) out += new_line(indent + 2) + expression;
  return out + new_line(indent) + "]";
}

std::string nix_string_set(const std::map<std::string, std::string>& entries, unsigned indent) {
  if (entries.empty()) return "{ }";
  std::string out = "{";
  for (const auto& [name, value] : entries) {
    out += new_line(indent + 2) + nix_attribute(name) + " = " + nix_string(value) + ";";
  }
  return out + new_line(indent) + "}";
}

std::string nix_comment(std::string_view text) {
  std::string out = "# " + std::string(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out;
}

}  // namespace agentvm::vmspec
