// version_cache.hpp - what programs say about their version, remembered as long as their file does not change.
#pragma once

#include <string>

namespace agentvm::host {

/// The first line a program prints for --version, asked at most once per file (path, size and mtime) and remembered in
/// CACHE/versions.json. "" when it does not answer with success within five seconds; that is not remembered.
std::string version_line(const std::string& program, const std::string& cache_dir);

/// The first thing like "1.13.0" in a line; "" when there is none.
std::string version_number(const std::string& line);

/// Whether version `have` is at least `need`, compared number by number. An unknown ("") version is not.
bool version_at_least(const std::string& have, const std::string& need);

}  // namespace agentvm::host
