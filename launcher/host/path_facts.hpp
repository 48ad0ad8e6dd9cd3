// path_facts.hpp - what host paths are.
#pragma once

#include <optional>
#include <string>
#include <vector>

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

/// Looks a path up ("~/" allowed); nullopt when there is nothing.
std::optional<vmspec::HostFacts::PathFacts> path_facts(const std::string& path);

}  // namespace agentvm::host
