// held.hpp - a directory of a test, held open.
#pragma once

#include <string>

#include "base/held_directory.hpp"

namespace agentvm::test {

inline HeldDirectory held(const std::string& path) {
  return HeldDirectory::resolve(path);
}

}  // namespace agentvm::test
