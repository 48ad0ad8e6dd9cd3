// progress.cpp - one line on stderr.
#include "launcher/run/progress.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "base/text.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/terminal/terminal.hpp"

namespace agentvm::commands {

namespace {

/// Back to the first column, and clear to the end of the line (ECMA-48 EL).
constexpr std::string_view clear_line = "\r\x1b[K";

bool can_write_over() noexcept {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

}  // namespace

Progress::Progress(bool silent) : silent_(silent), terminal_(can_write_over()) {}

Progress::~Progress() {
  clear();
}

void Progress::step(const std::string& text) {
  if (silent_) return;
  const std::string line = "agentvm: " + printable(text);
  if (!terminal_) {
    print_error(line + "\n");
    return;
  }
  // A line that wraps could not be taken back.
  const std::size_t columns = window_size().columns;
  print_error(std::string(clear_line) + line.substr(0, columns > 1 ? columns - 1 : 1));
  shown_ = true;
}

void Progress::clear() noexcept {
  if (!shown_) return;
  print_error(clear_line);
  shown_ = false;
}

}  // namespace agentvm::commands
