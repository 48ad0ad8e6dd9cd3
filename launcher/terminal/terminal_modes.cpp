// terminal_modes.cpp - follows the sequences of ECMA-48, DEC, xterm and kitty that leave something on.
#include "launcher/terminal/terminal_modes.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

namespace agentvm::commands {

namespace {

constexpr std::size_t longest_parameters = 64;
constexpr unsigned most_keyboards = 64;
constexpr int stopped_terminal_ms = 200;

/// Screens before anything else: what else is on belongs to the terminal, not to one of its screens.
constexpr std::array screens{1049U, 1047U, 47U};
/// Application cursor keys, reverse video, origin; mouse reports and their encodings; focus; alternate scroll;
/// bracketed paste; synchronized output; colour scheme reports; in-band sizes.
constexpr std::array others{1U,    5U,    6U,    9U,    1000U, 1001U, 1002U, 1003U, 1004U,
                            1005U, 1006U, 1007U, 1015U, 1016U, 2004U, 2026U, 2031U, 2048U};
constexpr std::array by_themselves{7U, 25U};

template <typename Modes>
bool has(const Modes& modes, unsigned mode) {
  for (const unsigned one : modes) {
    if (one == mode) return true;
  }
  return false;
}

std::vector<unsigned> numbers(std::string_view text) {
  std::vector<unsigned> found;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(';'));
    unsigned number = 0;
    std::from_chars(item.data(), item.data() + item.size(), number);
    found.push_back(number);
    text.remove_prefix(item.size() == text.size() ? text.size() : item.size() + 1);
  }
  return found;
}

/// What a handler may read: two buffers in turn, so that the one it sees is never being written.
constexpr std::size_t longest_undo = 512;
struct Prepared {
  char text[longest_undo];
  std::size_t size;
};
Prepared prepared[2];
volatile sig_atomic_t current = 0;
TerminalModes modes_of_stdout;

}  // namespace

void TerminalModes::set_private(unsigned mode, bool on) {
  if (has(screens, mode) || has(others, mode)) {
    if (on) {
      on_.insert(mode);
    } else {
      on_.erase(mode);
    }
  } else if (has(by_themselves, mode)) {
    if (on) {
      off_.erase(mode);
    } else {
      off_.insert(mode);
    }
  }
}

void TerminalModes::reset() {
  *this = TerminalModes();
}

void TerminalModes::end_sequence(char final_byte) {
  const char prefix = parameters_.empty() ? '\0' : parameters_.front();
  const bool marked = prefix >= '<' && prefix <= '?';
  const std::string_view rest = std::string_view(parameters_).substr(marked ? 1 : 0);
  const std::vector<unsigned> values = numbers(rest);
  if (prefix == '?' && (final_byte == 'h' || final_byte == 'l')) {
    for (const unsigned mode : values) set_private(mode, final_byte == 'h');
  } else if (!marked && (final_byte == 'h' || final_byte == 'l')) {
    if (has(values, 4)) insert_ = final_byte == 'h';
  } else if (final_byte == 'u' && prefix == '>') {
    keyboards_ = std::min(keyboards_ + 1, most_keyboards);
  } else if (final_byte == 'u' && prefix == '<') {
    keyboards_ -= std::min(keyboards_, values.empty() || values.front() == 0 ? 1 : values.front());
  } else if (final_byte == 'u' && prefix == '=') {
    keyboard_set_ = !values.empty() && values.front() != 0;
  } else if (final_byte == 'm' && prefix == '>') {
    if (!values.empty() && values.front() == 4) other_keys_ = values.size() > 1 && values[1] != 0;
  } else if (final_byte == 'm' && !marked) {
    attributes_ = !(values.empty() || values.back() == 0);
  } else if (final_byte == 'q' && !parameters_.empty() && parameters_.back() == ' ') {
    cursor_shape_ = !values.empty() && values.front() != 0;
  } else if (final_byte == 'r' && !marked) {
    scroll_region_ = !values.empty();
  } else if (final_byte == 'p' && parameters_ == "!") {
    const std::set<unsigned> kept = on_;
    reset();
    on_ = kept;  // DECSTR leaves screens and mouse alone
  }
}

void TerminalModes::take(char c) {
  switch (state_) {
    case State::text:
      if (c == '\x1b') state_ = State::escape;
      if (c == '\x0e') character_set_ = true;
      if (c == '\x0f') character_set_ = false;
      return;
    case State::escape:
      state_ = State::text;
      if (c == '[') {
        state_ = State::sequence;
        parameters_.clear();
      } else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
        state_ = State::string;
      } else if (c == '(') {
        state_ = State::sequence;
        parameters_ = "(";
      } else if (c == '=' || c == '>') {
        keypad_ = c == '=';
      } else if (c == 'c') {
        reset();
      } else if (c == '\x1b') {
        state_ = State::escape;
      }
      return;
    case State::sequence:
      if (parameters_ == "(") {
        character_set_ = c != 'B';
        state_ = State::text;
      } else if (c == '\x1b') {
        state_ = State::escape;
      } else if (c >= 0x40 && c < 0x7f) {
        state_ = State::text;
        end_sequence(c);
      } else if (c == '\x18' || c == '\x1a') {
        state_ = State::text;
      } else if (parameters_.size() < longest_parameters) {
        parameters_ += c;
      }
      return;
    case State::string:
      if (c == '\x07' || c == '\x18' || c == '\x1a') state_ = State::text;
      if (c == '\x1b') state_ = State::string_escape;
      return;
    case State::string_escape:
      state_ = State::escape;
      if (c == '\\') {
        state_ = State::text;
      } else {
        take(c);
      }
      return;
  }
}

void TerminalModes::watch(std::string_view output) {
  for (const char c : output) take(c);
}

std::string TerminalModes::undo() const {
  std::string text;
  if (state_ != State::text) text += "\x1b\\";  // ends what was broken off
  // Keyboards are kept per screen, so they go before it does.
  if (keyboards_ > 0) text += "\x1b[<" + std::to_string(keyboards_) + "u";
  if (keyboard_set_) text += "\x1b[=0u";
  if (other_keys_) text += "\x1b[>4;0m";
  if (scroll_region_) text += "\x1b[r";
  const auto switch_to = [&text](unsigned mode, char how) { text += "\x1b[?" + std::to_string(mode) + how; };
  for (const unsigned mode : on_) {
    if (!has(screens, mode)) switch_to(mode, 'l');
  }
  for (const unsigned mode : screens) {
    if (on_.contains(mode)) switch_to(mode, 'l');
  }
  for (const unsigned mode : off_) switch_to(mode, 'h');
  if (insert_) text += "\x1b[4l";
  if (cursor_shape_) text += "\x1b[0 q";
  if (keypad_) text += "\x1b>";
  if (character_set_) text += "\x0f\x1b(B";
  if (attributes_) text += "\x1b[0m";
  return text;
}

void watch_terminal_modes(std::string_view output) {
  modes_of_stdout.watch(output);
  const std::string undo = modes_of_stdout.undo();
  const sig_atomic_t next = 1 - current;
  prepared[next].size = std::min(undo.size(), longest_undo);
  std::memcpy(prepared[next].text, undo.data(), prepared[next].size);
  current = next;
}

void undo_terminal_modes_in_handler() noexcept {
  const Prepared& now = prepared[current];
  if (now.size == 0) return;
  pollfd item{STDOUT_FILENO, POLLOUT, 0};
  if (poll(&item, 1, stopped_terminal_ms) <= 0) return;
  [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, now.text, now.size);
}

void undo_terminal_modes() noexcept {
  undo_terminal_modes_in_handler();
  modes_of_stdout = TerminalModes();
  prepared[0].size = prepared[1].size = 0;
}

}  // namespace agentvm::commands
