// output.cpp - writes text.
#include "launcher/terminal/output.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace agentvm::commands {

namespace {

/// Code points, which is near enough to columns for what we print; colours take none.
std::size_t width(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm') ++i;
    } else if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      ++columns;
    }
  }
  return columns;
}

/// Narrower than this, folding makes nothing easier to read.
constexpr std::size_t fewest_columns = 40;

void fold_line(std::string_view line, std::size_t columns, std::size_t indent, std::string& out) {
  std::size_t used = 0;
  bool first = true;
  while (!line.empty()) {
    // A word with the spaces in front of it.
    const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    const std::string_view word = line.substr(0, end);
    if (!first && used + width(word) > columns) {
      out += "\n" + std::string(indent, ' ');
      out += line.substr(begin, end - begin);
      used = indent + width(line.substr(begin, end - begin));
    } else {
      out += word;
      used += width(word);
    }
    first = first && begin == end;
    line.remove_prefix(end);
  }
}

}  // namespace

void print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) return;
    if (written < 0) throw system_error(errno, "writing to stdout");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void print_json(const nlohmann::json& document) {
  print(printable_json(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)) + "\n");
}

void print_error(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::size_t columns_of(int fd) noexcept {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::string folded(std::string_view text, std::size_t columns, std::size_t indent) {
  if (columns < fewest_columns) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    fold_line(text.substr(0, end), columns, indent, out);
    if (end == std::string_view::npos) break;
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string colored(std::string_view text, Color color, bool on) {
  if (!on) return std::string(text);
  const char* code = color == Color::red ? "31" : color == Color::green ? "32" : color == Color::yellow ? "33" : "2";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (widths.size() < row.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += line + "\n";
  }
  return text;
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  std::uint64_t scale = 1;
  while (unit < 4 && bytes / scale >= 1024) {
    scale *= 1024;
    ++unit;
  }
  if (bytes % scale == 0) return fmt::format("{} {}", bytes / scale, units[unit]);
  return fmt::format("{:.1f} {}", static_cast<double>(bytes) / static_cast<double>(scale), units[unit]);
}

std::string human_time(std::int64_t milliseconds) {
  if (milliseconds < 0) return "-";
  if (milliseconds < 10'000) return fmt::format("{:.1f} s", static_cast<double>(milliseconds) / 1000);
  const std::int64_t seconds = milliseconds / 1000;
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  if (seconds < 48 * 3600) return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{} days", seconds / 86400);
}

std::int64_t milliseconds_since(const std::string& rfc3339) {
  std::tm broken{};
  const char* rest = strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%S", &broken);
  if (rest == nullptr) return -1;
  const auto then = std::chrono::system_clock::from_time_t(timegm(&broken));
  const auto gone = std::chrono::system_clock::now() - then;
  return std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(gone).count());
}

}  // namespace agentvm::commands
