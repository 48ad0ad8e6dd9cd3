// log.hpp - the CLI's own words on stderr: warnings, and with -v what it does and how long that takes.
#pragma once

#include <string_view>

namespace agentvm::commands {

/// `verbosity` 0: warnings and errors; 1: what is done; 2 and more: everything. Colours only when `color`.
void set_up_log(int verbosity, bool color);

void log_debug(std::string_view text);
void log_info(std::string_view text);
void log_warning(std::string_view text);
/// The last words before a failing exit: "agentvm: error: TEXT", and the hint on a line of its own.
void log_error(std::string_view text, std::string_view hint);

/// Whether stderr may be coloured: a terminal, no --no-color, no NO_COLOR (no-color.org), no TERM=dumb.
bool color_allowed(bool no_color_flag, int fd) noexcept;

}  // namespace agentvm::commands
