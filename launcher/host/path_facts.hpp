// path_facts.hpp - what host paths are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/held_directory.hpp"
#include "vmspec/plan/host_facts.hpp"

namespace agentvm::host {

/// The caller's home: $HOME when absolute, else the password database's; "" when there is none.
std::string home_directory();
/// "~" and "~/..." with the home in front; anything else as it is.
std::string expand_home(const std::string& path);
/// realpath(3), "" when it does not exist.
std::string real_path(const std::string& path);
/// The names in a directory, sorted, without "." and ".."; empty when it cannot be read.
std::vector<std::string> sorted_entries(const std::string& directory);

/// A path that was looked up; `held` is what it led to, if that is a directory.
struct FoundPath {
  vmspec::HostFacts::PathFacts facts;
  HeldDirectory held;
};
/// Looks a path up ("~/" allowed); nullopt when there is nothing. Throws Error for another user's link on the way.
std::optional<FoundPath> find_path(const std::string& path);

}  // namespace agentvm::host
