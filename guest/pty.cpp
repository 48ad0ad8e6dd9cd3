// pty.cpp - pseudo terminals.
#include "guest/pty.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"

namespace agentvm::guest {

Pty open_pty(unsigned rows, unsigned columns, std::uint32_t owner) {
  Pty pty;
  pty.master.reset(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!pty.master) throw system_error(errno, "opening /dev/ptmx");
  int unlock = 0;
  if (ioctl(pty.master.get(), TIOCSPTLCK, &unlock) < 0) throw system_error(errno, "unlocking a pseudo terminal");
  // By descriptor, not by name: it works whatever /dev/pts is mounted where we stand.
  pty.slave.reset(ioctl(pty.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.slave) throw system_error(errno, "opening a pseudo terminal");
  termios settings{};
  if (tcgetattr(pty.slave.get(), &settings) == 0) {
    settings.c_iflag |= IUTF8;  // so that erase removes a character, not a byte
    tcsetattr(pty.slave.get(), TCSANOW, &settings);
  }
  if (owner != geteuid() && fchown(pty.slave.get(), owner, static_cast<gid_t>(-1)) < 0) {
    throw system_error(errno, "giving a pseudo terminal to user " + std::to_string(owner));
  }
  resize_pty(pty.master.get(), rows, columns);
  return pty;
}

void resize_pty(int master, unsigned rows, unsigned columns) {
  winsize size{};
  size.ws_row = static_cast<unsigned short>(rows);
  size.ws_col = static_cast<unsigned short>(columns);
  if (ioctl(master, TIOCSWINSZ, &size) < 0) throw system_error(errno, "resizing a pseudo terminal");
}

pid_t foreground_group(int master) noexcept {
  const pid_t group = tcgetpgrp(master);
  return group > 0 ? group : 0;
}

std::string end_of_input(int master, bool line_begun) noexcept {
  termios settings{};
  char end = 4;
  if (tcgetattr(master, &settings) == 0 && (settings.c_lflag & ICANON) != 0) {
    end = static_cast<char>(settings.c_cc[VEOF]);
  } else {
    line_begun = false;  // a raw terminal has no lines
  }
  return std::string(line_begun ? 2 : 1, end);
}

}  // namespace agentvm::guest
