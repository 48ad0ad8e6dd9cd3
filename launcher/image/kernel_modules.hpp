// kernel_modules.hpp - which modules a guest needs, in the order to load them.
#pragma once

#include <string>
#include <vector>

namespace agentvm::image {

/// The files, relative to `directory` (lib/modules/VERSION), of the modules a guest of ours needs and of all they
/// depend on, dependencies first; what is built into the kernel is left out. Read from modules.dep and modules.builtin,
/// which depmod(8) writes. Throws Error naming the module when one that no guest can do without is neither.
std::vector<std::string> needed_modules(const std::string& directory);

}  // namespace agentvm::image
