// text.hpp - text of strangers (guests, VMMs, servers, files) made fit for a terminal and for messages.
//
// What drives a terminal: C0 and DEL, C1 (U+0080 to U+009F, which some terminals take for the ESC sequences they stand
// for), the sequences that ESC begins, and characters that turn the direction of writing (Unicode TR9, "trojan
// source"). A byte that is not UTF-8 is one of these too: in an 8-bit locale 0x9b is a CSI. All functions are pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace agentvm {

/// One line in which nothing is lost: what drives a terminal is shown as \xNN, or \u{NNNN} where it is a character
/// above U+00FF. Tabs stay.
std::string printable(std::string_view text);
/// The same, at most `most_bytes` of the result and "..." when it was longer; never cut within a character.
std::string printable(std::string_view text, std::size_t most_bytes);

/// A JSON document that means the same, with what drives a terminal above U+001F written as \uNNNN (JSON itself forbids
/// what is below). Bytes that are not UTF-8 stay.
std::string printable_json(std::string document);

/// One line to be read: escape sequences are left out, other controls are spaces, none at either end. At most
/// `most_bytes`, never cut within a character.
std::string plain_line(std::string_view text, std::size_t most_bytes);

/// The last `count` lines, each printable, without escape sequences and cut at 400 bytes.
std::string last_lines(std::string_view text, std::size_t count);

/// A log that comes in pieces: lines stay, escape sequences (CSI; OSC, DCS, APC, PM and SOS up to their end or the end
/// of the line) are left out, what else drives a terminal is shown as by printable. A carriage return before a newline
/// is left out. Holds at most the bytes of one character back.
class PlainText {
 public:
  std::string add(std::string_view bytes);
  /// What was held back.
  std::string finish();

 private:
  enum class State { text, escape, sequence, string, string_escape };
  void take(std::string_view character, char32_t code, std::string& out);

  State state_ = State::text;
  bool carriage_return_ = false;
  std::string partial_;
};

/// A whole text as PlainText has it.
std::string plain_text(std::string_view text);

}  // namespace agentvm
