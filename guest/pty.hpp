// pty.hpp - pseudo terminals: a pair, its window, who is in its foreground, how its input ends (pty(7), tty_ioctl(4)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"

namespace agentvm::guest {

/// Both ends, CLOEXEC; the slave belongs to the user who will have it as terminal.
struct Pty {
  UniqueFd master;  ///< non-blocking
  UniqueFd slave;
};

/// Throws Error. `rows` and `columns` are 1..65535.
Pty open_pty(unsigned rows, unsigned columns, std::uint32_t owner);
/// The foreground group gets SIGWINCH when the size changes.
void resize_pty(int master, unsigned rows, unsigned columns);
/// The process group that the terminal's keys reach; 0 when there is none.
pid_t foreground_group(int master) noexcept;
/// What to type so that a reader sees the end of its input: the terminal's EOF character, twice when a line was begun
/// (the first one only hands that line over).
std::string end_of_input(int master, bool line_begun) noexcept;

}  // namespace agentvm::guest
