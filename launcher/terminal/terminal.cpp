// terminal.cpp - termios, and getting out of raw mode from a signal handler.
#include "launcher/terminal/terminal.hpp"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/error.hpp"
#include "launcher/terminal/terminal_modes.hpp"

namespace agentvm::commands {

namespace {

/// What a signal handler may touch: set before the flag is.
termios saved_mode;
termios raw_mode;
volatile sig_atomic_t raw_active = 0;

constexpr std::array fatal_signals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2};

void restore() noexcept {
  // tcsetattr is async-signal-safe (signal-safety(7)). Waiting until all is written (TCSADRAIN) would be for ever on a
  // terminal that is stopped (ctrl-s).
  if (raw_active != 0) tcsetattr(STDIN_FILENO, TCSANOW, &saved_mode);
}

extern "C" void restore_and_die(int number) {
  if (raw_active != 0) undo_terminal_modes_in_handler();
  restore();
  raw_active = 0;
  signal(number, SIG_DFL);
  raise(number);
}

void restore_at_exit() {
  if (raw_active != 0) undo_terminal_modes_in_handler();
  restore();
}

}  // namespace

WindowSize window_size() noexcept {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) return {size.ws_row, size.ws_col};
  }
  return {};
}

bool has_terminal() noexcept {
  return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

RawMode::RawMode() {
  if (tcgetattr(STDIN_FILENO, &saved_mode) < 0) throw system_error(errno, "reading the terminal's mode");
  raw_mode = saved_mode;
  cfmakeraw(&raw_mode);
  static const bool registered = std::atexit(restore_at_exit) == 0;
  for (const int number : fatal_signals) {
    struct sigaction action {};
    action.sa_handler = restore_and_die;
    sigaction(number, &action, nullptr);
  }
  raw_active = registered ? 1 : 0;
  if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw_mode) < 0) {
    raw_active = 0;
    throw system_error(errno, "setting the terminal's mode");
  }
}

RawMode::~RawMode() {
  restore();
  raw_active = 0;
  for (const int number : fatal_signals) signal(number, SIG_DFL);
}

void RawMode::suspend() noexcept {
  restore();
  kill(getpid(), SIGSTOP);
  enter_again();
}

void RawMode::enter_again() noexcept {
  if (raw_active != 0) tcsetattr(STDIN_FILENO, TCSADRAIN, &raw_mode);
}

std::string DetachKeys::filter(const std::string& typed, bool& detached) {
  constexpr char ctrl_p = 0x10;
  constexpr char ctrl_q = 0x11;
  std::string passed;
  for (const char c : typed) {
    if (held_ && c == ctrl_q) {
      detached = true;
      return passed;
    }
    if (held_) passed += ctrl_p;
    held_ = c == ctrl_p;
    if (!held_) passed += c;
  }
  return passed;
}

}  // namespace agentvm::commands
