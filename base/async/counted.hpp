// counted.hpp - counts what is alive of its kind.
#pragma once

#include <cstddef>

namespace agentvm {

/// Counts one up for as long as it lives.
class Counted {
 public:
  explicit Counted(std::size_t& count) noexcept : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::size_t& count_;
};

}  // namespace agentvm
