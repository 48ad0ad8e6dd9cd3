// kept_body.hpp - what was sent of a request's body, kept for a second try while all kept bodies fit a budget.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace agentvm::gateway {

/// Bytes that bodies of one gateway may take at once; held by all of them.
struct KeptBudget {
  std::size_t left = std::size_t{16} << 20;
};

class KeptBody {
 public:
  /// `keep`: false keeps nothing. `budget` must outlive this.
  KeptBody(KeptBudget& budget, bool keep) : budget_(budget), complete_(keep) {}
  KeptBody(const KeptBody&) = delete;
  KeptBody& operator=(const KeptBody&) = delete;
  ~KeptBody() { drop(); }

  void add(std::string_view bytes) {
    if (!complete_) return;
    if (bytes.size() > budget_.left) return drop();
    budget_.left -= bytes.size();
    bytes_ += bytes;
  }
  /// Gives the bytes up for good.
  void drop() noexcept {
    budget_.left += bytes_.size();
    bytes_ = {};
    complete_ = false;
  }

  /// Whether bytes() is everything that was added.
  bool complete() const noexcept { return complete_; }
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  KeptBudget& budget_;
  std::string bytes_;
  bool complete_;
};

}  // namespace agentvm::gateway
