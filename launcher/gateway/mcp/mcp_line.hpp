// mcp_line.hpp - cuts a byte stream into lines, none of which can grow without end.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace agentvm::gateway {

class LineSplitter {
 public:
  explicit LineSplitter(std::size_t limit) : limit_(limit) {}

  struct Line {
    std::string text;       ///< without its newline; "" when too long
    bool too_long = false;  ///< it had more than the limit's bytes, which are gone
  };

  void feed(std::string_view bytes) { buffer_.append(bytes); }
  /// The next whole line. Call it until nullopt before feeding more: that bounds the memory to the limit and one piece.
  std::optional<Line> next();
  /// What stands after the last newline, at the end of the stream.
  std::optional<Line> rest();

 private:
  std::size_t limit_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the line in the buffer
  std::size_t scanned_ = 0;  // no newline before this
  bool skipping_ = false;    // within a line that was too long
};

}  // namespace agentvm::gateway
