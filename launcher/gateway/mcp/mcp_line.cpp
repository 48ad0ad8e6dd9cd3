// mcp_line.cpp - see mcp_line.hpp.
#include "launcher/gateway/mcp/mcp_line.hpp"

#include <algorithm>
#include <utility>

namespace agentvm::gateway {

std::optional<LineSplitter::Line> LineSplitter::next() {
  const std::size_t newline = buffer_.find('\n', std::max(begin_, scanned_));
  if (newline == std::string::npos) {
    buffer_.erase(0, begin_);
    begin_ = 0;
    scanned_ = buffer_.size();
    if (buffer_.size() > limit_) {
      skipping_ = true;
      buffer_ = {};
      scanned_ = 0;
    } else if (skipping_) {
      buffer_.clear();
      scanned_ = 0;
    }
    return std::nullopt;
  }
  const std::size_t size = newline - begin_;
  Line line;
  line.too_long = std::exchange(skipping_, false) || size > limit_;
  if (!line.too_long) line.text = buffer_.substr(begin_, size);
  begin_ = newline + 1;
  scanned_ = begin_;
  return line;
}

std::optional<LineSplitter::Line> LineSplitter::rest() {
  Line line{buffer_.substr(begin_), std::exchange(skipping_, false)};
  buffer_ = {};
  begin_ = scanned_ = 0;
  if (line.text.empty() && !line.too_long) return std::nullopt;
  if (line.too_long) line.text.clear();
  return line;
}

}  // namespace agentvm::gateway
