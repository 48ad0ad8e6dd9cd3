// swapper.hpp - somebody who owns a directory and exchanges two names in it as fast as the kernel can.
#pragma once

#include <fcntl.h>
#include <stdio.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>

namespace agentvm::test {

class Swapper {
 public:
  /// Exchanges them until it is destroyed.
  Swapper(std::string one, std::string other) : one_(std::move(one)), other_(std::move(other)) {
    thread_ = std::thread([this] {
      while (!stop_) {
        if (renameat2(AT_FDCWD, one_.c_str(), AT_FDCWD, other_.c_str(), RENAME_EXCHANGE) == 0) ++swaps_;
      }
    });
  }
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;
  ~Swapper() {
    stop_ = true;
    thread_.join();
  }

  unsigned swaps() const noexcept { return swaps_; }
  /// Until the names were exchanged again.
  void wait_for_swap() const {
    for (const unsigned before = swaps_; swaps_ == before;) std::this_thread::yield();
  }

 private:
  std::string one_, other_;
  std::atomic<bool> stop_ = false;
  std::atomic<unsigned> swaps_ = 0;
  std::thread thread_;
};

}  // namespace agentvm::test
