// modules.hpp - loads the kernel modules that the initramfs brings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"

namespace agentvm::guest {

/// The paths of a module list: one a line, blank lines skipped, made absolute.
std::vector<std::string> parse_module_list(std::string_view text);

/// A module file that waits to be loaded; open, so that it may be loaded when its path is gone.
struct ModuleFile {
  std::string path;
  UniqueFd fd;  ///< invalid: it could not be opened
  int error = 0;
};

/// Opens every file of a list; no such list is an empty one.
std::vector<ModuleFile> open_modules(const std::string& list_path);

/// Loads them in their order, which must be that of their dependencies. Returns a sentence for each one that would not
/// load; one already there, or for a device this machine has not got, is no failure.
std::vector<std::string> load_modules(std::vector<ModuleFile> modules);

}  // namespace agentvm::guest
