// text.cpp - decodes UTF-8 strictly, and decides character by character.
#include "base/text.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/utf8.hpp"

namespace agentvm {

namespace {

constexpr std::size_t longest_line = 400;
/// What a byte that begins no character counts as: no code point, so nothing else equals it.
constexpr char32_t invalid = 0xffffffff;
/// The text ends within a character.
constexpr char32_t unfinished = 0xfffffffe;

constexpr char32_t escape = 0x1b;
constexpr char32_t bell = 0x07;
constexpr char32_t csi = 0x9b;
constexpr char32_t string_end = 0x9c;

struct Character {
  std::string_view bytes;
  char32_t code = invalid;
};

/// Whether the whole text may be the front of a character whose rest has not come.
bool may_go_on(std::string_view text) noexcept {
  if (text.size() > 3) return false;
  for (const char first : {'\x80', '\x90', '\xa0'}) {
    std::string whole(text);
    whole += text.size() == 1 ? first : '\x80';
    whole.resize(4, '\x80');
    if (utf8_character_size(whole) > text.size()) return true;
  }
  return false;
}

/// The first character of a text that is not empty.
Character first_character(std::string_view text) {
  const std::size_t size = utf8_character_size(text);
  if (size == 0) return may_go_on(text) ? Character{text, unfinished} : Character{text.substr(0, 1), invalid};
  const auto lead = static_cast<unsigned char>(text[0]);
  char32_t code = size == 1 ? lead : lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) code = (code << 6) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  return {text.substr(0, size), code};
}

/// LRM, RLM, ALM, and the embeddings, overrides and isolates; line and paragraph separators.
bool turns_direction(char32_t code) noexcept {
  return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

bool drives_terminal(char32_t code) noexcept {
  return (code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0) || code == invalid || code == unfinished ||
         turns_direction(code);
}

void show(const Character& character, std::string& out) {
  char shown[16];
  if (character.code == invalid || character.code == unfinished) {
    for (const char byte : character.bytes) {
      std::snprintf(shown, sizeof shown, "\\x%02x", static_cast<unsigned char>(byte));
      out += shown;
    }
    return;
  }
  std::snprintf(shown, sizeof shown, character.code < 0x100 ? "\\x%02x" : "\\u{%04x}",
                static_cast<unsigned>(character.code));
  out += shown;
}

/// Never within a character.
std::string cut(std::string text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return text;
  std::size_t end = most_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (drives_terminal(character.code)) {
      show(character, out);
    } else {
      out += character.bytes;
    }
    text.remove_prefix(character.bytes.size());
  }
  return out;
}

std::string printable(std::string_view text, std::size_t most_bytes) {
  // No character is shown shorter than it is, so what is cut away need not be looked at.
  std::string out = printable(text.substr(0, most_bytes + 4));
  if (out.size() <= most_bytes && text.size() <= most_bytes + 4) return out;
  return cut(std::move(out), most_bytes) + "...";
}

std::string printable_json(std::string document) {
  const bool ascii = std::all_of(document.begin(), document.end(), [](char c) { return c >= 0 && c < 0x7f; });
  if (ascii) return document;
  std::string out;
  for (std::string_view rest = document; !rest.empty();) {
    const Character character = first_character(rest);
    const bool escaped = character.code >= 0x7f && character.code < unfinished && drives_terminal(character.code);
    if (escaped) {
      char shown[16];
      std::snprintf(shown, sizeof shown, "\\u%04x", static_cast<unsigned>(character.code));
      out += shown;
    } else {
      out += character.bytes;
    }
    rest.remove_prefix(character.bytes.size());
  }
  return out;
}

std::string plain_text(std::string_view text) {
  PlainText plain;
  std::string out = plain.add(text);
  out += plain.finish();
  return out;
}

std::string plain_line(std::string_view text, std::size_t most_bytes) {
  // Twice as much as is wanted: sequences and indentation take their part, and the rest is bounded.
  const std::string_view looked_at = text.substr(0, 2 * most_bytes);
  std::string spaced = plain_text(looked_at);
  std::replace_if(
      spaced.begin(), spaced.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  spaced.erase(0, std::min(spaced.find_first_not_of(' '), spaced.size()));
  std::string line = cut(std::move(spaced), most_bytes);
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

std::string last_lines(std::string_view text, std::size_t count) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  std::string last;
  for (std::size_t i = lines.size() - std::min(count, lines.size()); i < lines.size(); ++i) {
    last += cut(plain_text(lines[i].substr(0, 4 * longest_line)), longest_line) + "\n";
  }
  return last;
}

void PlainText::take(std::string_view character, char32_t code, std::string& out) {
  switch (state_) {
    case State::escape:
      if (code == '[') {
        state_ = State::sequence;
        return;
      }
      if (code == ']' || code == 'P' || code == 'X' || code == '^' || code == '_') {
        state_ = State::string;
        return;
      }
      // ECMA-48: intermediate bytes, and then the final one.
      if (code >= 0x20 && code < 0x30) return;
      state_ = State::text;
      if (code >= 0x30 && code < 0x7f) return;
      break;
    case State::sequence:
      if (code >= 0x20 && code < 0x40) return;
      state_ = State::text;
      if (code >= 0x40 && code < 0x7f) return;
      break;  // broken off: what came instead is looked at
    case State::string_escape:
      state_ = State::text;
      if (code == '\\') return;
      if (code == '[') {
        state_ = State::sequence;
        return;
      }
      break;
    case State::string:
      if (code == escape) {
        state_ = State::string_escape;
        return;
      }
      if (code == bell || code == string_end) {
        state_ = State::text;
        return;
      }
      if (code != '\n') return;
      // One that never ends would hide everything after it.
      state_ = State::text;
      break;
    case State::text:
      break;
  }
  if (std::exchange(carriage_return_, code == '\r') && code != '\n' && code != '\r') out += "\\x0d";
  if (code == '\r') return;
  if (code == escape) {
    state_ = State::escape;
  } else if (code == csi) {
    state_ = State::sequence;
  } else if (code == '\n' || !drives_terminal(code)) {
    out += character;
  } else {
    show({character, code}, out);
  }
}

std::string PlainText::add(std::string_view bytes) {
  std::string joined = std::move(partial_) + std::string(bytes);
  partial_.clear();
  std::string out;
  std::string_view rest = joined;
  while (!rest.empty()) {
    const Character character = first_character(rest);
    if (character.code == unfinished) {
      partial_ = std::string(rest);
      break;
    }
    take(character.bytes, character.code, out);
    rest.remove_prefix(character.bytes.size());
  }
  return out;
}

std::string PlainText::finish() {
  std::string out;
  if (!partial_.empty()) take(std::exchange(partial_, {}), invalid, out);
  return out;
}

}  // namespace agentvm
