// power.hpp - how a VM ends from the inside, and its power button.
#pragma once

#include <vector>

#include "base/unique_fd.hpp"

namespace agentvm::guest {

/// Kills what still runs, writes back what is unwritten, unmounts the shares, and turns the machine off. A share whose
/// host end is gone would block for ever, so all of that has a deadline. For PID 1 only.
[[noreturn]] void power_off() noexcept;

/// The input devices of the machine, on which its power button is reported; non-blocking. Empty without the drivers.
std::vector<UniqueFd> open_input_devices();
/// Takes what was reported; true when the power button was pressed.
bool power_button_pressed(int input_device) noexcept;

}  // namespace agentvm::guest
