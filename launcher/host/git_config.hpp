// git_config.hpp - the syntax of a git-config(1) file, read without Git.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace agentvm::host {

/// KEY = VALUE below [SECTION "SUBSECTION"]; section and key in lower case.
struct GitSetting {
  std::string section, subsection, key;
  std::string value;  ///< unquoted, without white space at its ends; "true" for a key without one
};

/// Calls `each` for every setting, in the file's order. Reads as Git does, but never refuses: what Git would not take
/// is read in some way. Follows no include. Whoever reads the file bounds its length.
void read_git_config(std::string_view config, const std::function<void(const GitSetting&)>& each);

}  // namespace agentvm::host
