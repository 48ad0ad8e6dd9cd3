// console_tail.cpp - the end of a console's log.
#include "launcher/supervisor/console_tail.hpp"

#include <algorithm>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::supervisor {

namespace {

constexpr std::size_t console_lines = 25;
constexpr std::size_t console_bytes = 8192;
constexpr std::size_t lines_before_panic = 10;
constexpr std::string_view panic_words = "Kernel panic - not syncing";

/// Where the line begins that stands `count` lines above the one at `at`.
std::size_t line_above(const std::string& text, std::size_t at, std::size_t count) {
  std::size_t end = text.rfind('\n', at);
  while (count-- > 0 && end != std::string::npos && end > 0) end = text.rfind('\n', end - 1);
  return end == std::string::npos ? 0 : end + 1;
}

std::string first_lines(const std::string& text, std::size_t count) {
  std::size_t end = 0;
  while (count-- > 0 && end < text.size()) end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return text.substr(0, end);
}

}  // namespace

std::string console_tail(const std::string& path) {
  try {
    const auto text = read_file_if_exists(path);
    if (!text) return {};
    std::string tail = text->size() > console_bytes ? text->substr(text->size() - console_bytes) : *text;
    // A panic's own words come before a trace that may be longer than what is shown, and after what led to it.
    if (const std::size_t panic = tail.rfind(panic_words); panic != std::string::npos) {
      tail.erase(0, line_above(tail, panic, lines_before_panic));
      return first_lines(tail, console_lines);
    }
    std::size_t start = tail.size();
    for (std::size_t lines = 0; start > 0 && lines <= console_lines; --start) {
      if (tail[start - 1] == '\n') ++lines;
    }
    return tail.substr(start);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace agentvm::supervisor
