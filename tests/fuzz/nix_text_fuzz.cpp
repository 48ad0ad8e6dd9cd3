// nix_text_fuzz.cpp - any bytes as a Nix string: read back by the rules of Nix's own lexer they are the same bytes.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "tests/fuzz/require.hpp"
#include "vmspec/render/nix.hpp"
#include "vmspec/render/nix_text.hpp"

namespace {

/// The one interpolation that is ours: ${builtins.fromJSON "\"\\u001b\""}.
std::optional<char> spelled(std::string_view text) {
  constexpr std::string_view before = "${builtins.fromJSON \"\\\"\\\\u00";
  constexpr std::string_view after = "\\\"\"}";
  if (text.size() != before.size() + 2 + after.size() || !text.starts_with(before) || !text.ends_with(after)) return {};
  return static_cast<char>(std::stoi(std::string(text.substr(before.size(), 2)), nullptr, 16));
}

/// Nix's lexer for double-quoted strings (src/libexpr/lexer.l, state STRING); nullopt: the string ends early, never, or
/// holds an interpolation that is not ours.
std::optional<std::string> read_back(std::string_view text) {
  constexpr std::size_t spelled_size = 34;
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return {};
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') return {};
    if (c == '$' && i + 1 < text.size() && text[i + 1] == '{') {
      const auto byte = spelled(text.substr(i, spelled_size));
      if (!byte) return {};
      out += *byte;
      i += spelled_size - 1;
    } else if (c == '\\') {
      if (++i == text.size()) return {};
      out += text[i] == 'n' ? '\n' : text[i] == 'r' ? '\r' : text[i] == 't' ? '\t' : text[i];
    } else if (c == '\r') {
      return {};  // would become a line feed
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agentvm::vmspec;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const bool writable = text.find('\0') == std::string::npos;
  try {
    const std::string written = nix_string(text);
    require(writable, "a NUL byte was written", text);
    require(read_back(written) == text, "another text came back", written);
    for (const char c : written) require(static_cast<unsigned char>(c) >= 0x20, "a control character", written);
    const std::string name = nix_attribute(text);
    require(name == text || read_back(name) == text, "another name came back", name);
    require(nix_comment(text).find_first_of("\n\r") == std::string::npos, "a comment of two lines", text);
  } catch (const agentvm::Error&) {
    require(!writable, "refused", text);
  }

  // Any profile that passes its checks has a definition.
  std::vector<Problem> problems;
  Profile profile;
  apply_profile(profile, {"fuzz.toml", text}, problems);
  check_profile(profile, problems);
  if (problems.empty()) require(render_definition(profile, {}).files.size() >= 2, "no definition", text);
  return 0;
}
