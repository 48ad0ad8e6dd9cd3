// kernel_cmdline.hpp - the guest kernel's command line.
#pragma once

#include <string>

#include "vmspec/vm_spec.hpp"

namespace agentvm::vmspec {

/// Parameters that boot fast and never hung under emulation; a pure function of the plan, ASCII, under 2048 bytes.
std::string kernel_cmdline(const VmSpec& spec);

}  // namespace agentvm::vmspec
