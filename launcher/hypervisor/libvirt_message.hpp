// libvirt_message.hpp - libvirt's error messages, cut to what a person can use.
#pragma once

#include <string>
#include <string_view>

namespace agentvm::hypervisor {

/// One line: no "internal error:", no time stamps of QEMU's log, and of several lines the first one, with the next one
/// when it ends with a colon (QEMU's words quoted).
std::string tidy_message(std::string_view message);

}  // namespace agentvm::hypervisor
