// scratch.hpp - a directory and environment variables that last as long as a test.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/file.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::test {

class Scratch {
 public:
  Scratch() {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { static_cast<void>(remove_tree(path_)); }

  const std::string& path() const noexcept { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  /// A file with its directories; returns its path.
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const {
    const std::string path = path_ + "/" + name;
    make_directories(path.substr(0, path.rfind('/')));
    write_file_atomic(path, text, mode);
    return path;
  }
  std::string directory(const std::string& name) const {
    const std::string path = path_ + "/" + name;
    make_directories(path);
    return path;
  }
  state::Roots roots() const { return {path_ + "/run/agentvm", path_ + "/state/agentvm", path_ + "/cache/agentvm"}; }

 private:
  std::string path_ = "/tmp/agentvm-test-XXXXXX";
};

/// Sets (or with nullptr unsets) a variable, and puts the old value back.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { set(old_ ? old_->c_str() : nullptr); }

 private:
  void set(const char* value) const {
    if (value != nullptr) {
      setenv(name_, value, 1);
    } else {
      unsetenv(name_);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

inline bool exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

}  // namespace agentvm::test
