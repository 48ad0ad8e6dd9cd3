// progress.hpp - what a starting run is doing, on stderr: one line that is written over on a terminal, lines elsewhere.
#pragma once

#include <string>

namespace agentvm::commands {

class Progress {
 public:
  /// `silent`: nothing is shown.
  explicit Progress(bool silent);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  void step(const std::string& text);
  /// Takes the line away.
  void clear() noexcept;

 private:
  bool silent_;
  bool terminal_;
  bool shown_ = false;
};

}  // namespace agentvm::commands
