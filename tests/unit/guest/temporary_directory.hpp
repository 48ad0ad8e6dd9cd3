// temporary_directory.hpp - a directory that lives as long as a test.
#pragma once

#include <stdlib.h>

#include <stdexcept>
#include <string>

#include "base/file.hpp"

namespace agentvm::guest {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { static_cast<void>(remove_tree(path_)); }
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_ = "/tmp/agentvm-guest-test-XXXXXX";
};

}  // namespace agentvm::guest
