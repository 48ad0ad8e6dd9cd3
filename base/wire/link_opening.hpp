// link_opening.hpp - how both ends of a virtio-serial port begin a link anew: three lines before its HTTP/2.
//
// A port is one byte stream for the whole life of a VM. Whoever held its ends before may have left bytes on the way,
// and a guest whose CPUs were stopped never hears that the host went away and came back. So each link begins with
//   host  -> guest   agentvm-link NONCE     NONCE: 32 hexadecimal digits, new each time; said again every second
//   guest -> host    agentvm-here NONCE     once for each nonce
//   host  -> guest   agentvm-open NONCE     HTTP/2 follows at once, both ways
// and both sides throw away everything that comes before the line they wait for. vsock has connections and needs none
// of this.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace agentvm::guest {

enum class OpeningWord { link, here, open };

/// One of the three lines.
struct OpeningLine {
  OpeningWord word = OpeningWord::link;
  std::string nonce;
  bool operator==(const OpeningLine&) const = default;
};

inline constexpr std::string_view opening_words[] = {"agentvm-link ", "agentvm-here ", "agentvm-open "};
inline constexpr std::size_t opening_nonce_bytes = 32;
inline constexpr std::size_t opening_line_bytes = 13 + opening_nonce_bytes + 1;

inline std::string to_text(const OpeningLine& line) {
  return std::string(opening_words[static_cast<std::size_t>(line.word)]) + line.nonce + "\n";
}

/// Finds the lines among whatever else comes. Keeps no more than one line's length.
class OpeningScanner {
 public:
  /// The line that this byte completes, if it does.
  std::optional<OpeningLine> next(char byte) {
    if (tail_.size() == opening_line_bytes) tail_.erase(0, 1);
    tail_ += byte;
    if (byte != '\n' || tail_.size() != opening_line_bytes) return std::nullopt;
    const std::string_view text = tail_;
    const std::string_view nonce = text.substr(text.size() - 1 - opening_nonce_bytes, opening_nonce_bytes);
    if (nonce.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
    for (const OpeningWord word : {OpeningWord::link, OpeningWord::here, OpeningWord::open}) {
      if (text.starts_with(opening_words[static_cast<std::size_t>(word)])) return OpeningLine{word, std::string(nonce)};
    }
    return std::nullopt;
  }

 private:
  std::string tail_;
};

}  // namespace agentvm::guest
