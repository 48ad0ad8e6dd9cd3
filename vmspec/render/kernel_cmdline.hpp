// kernel_cmdline.hpp - the guest kernel's command line.
#pragma once

#include <string>

#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::vmspec {

/// Longest command line that x86 takes (COMMAND_LINE_SIZE with its NUL), bytes.
inline constexpr std::size_t max_kernel_cmdline = 2047;

/// Parameters that boot fast and never hung under emulation; a pure function of the plan, ASCII, at most
/// max_kernel_cmdline bytes unless a nix guest brings too many.
std::string kernel_cmdline(const VmSpec& spec);

}  // namespace agentvm::vmspec
