// journal.hpp - a bounded file of JSON lines, written as things happen.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/unique_fd.hpp"

namespace agentvm::supervisor {

/// {"event":name,"time":now, ...fields} and a newline; what is not UTF-8 is replaced.
std::string event_line(const std::string& name, const nlohmann::json& fields);

class Journal {
 public:
  static constexpr std::uint64_t largest = std::uint64_t{64} << 20;  ///< bytes

  /// Appends to `path` (made 0600). Without the file (a full disk) everything is passed over.
  explicit Journal(const std::string& path) noexcept;

  /// A file that takes no more ends the journal, not the run.
  void add(const std::string& line) noexcept;

 private:
  UniqueFd file_;
  std::uint64_t size_ = 0;
};

}  // namespace agentvm::supervisor
