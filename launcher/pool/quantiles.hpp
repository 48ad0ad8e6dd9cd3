// quantiles.hpp - how long things took, lately.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace agentvm::pool {

/// The last 1024 values.
class Quantiles {
 public:
  void add(std::int64_t value) {
    values_.push_back(value);
    if (values_.size() > most) values_.pop_front();
    ++count_;
    sum_ += value;
  }
  /// The value that this part (0..1) of the last ones does not exceed; 0 when there is none.
  std::int64_t at(double part) const {
    if (values_.empty()) return 0;
    std::vector<std::int64_t> sorted(values_.begin(), values_.end());
    std::sort(sorted.begin(), sorted.end());
    const auto index = static_cast<std::size_t>(std::lround(part * static_cast<double>(sorted.size() - 1)));
    return sorted[std::min(index, sorted.size() - 1)];
  }
  std::uint64_t count() const noexcept { return count_; }  ///< of all that ever were
  std::int64_t sum() const noexcept { return sum_; }

 private:
  static constexpr std::size_t most = 1024;
  std::deque<std::int64_t> values_;
  std::uint64_t count_ = 0;
  std::int64_t sum_ = 0;
};

}  // namespace agentvm::pool
