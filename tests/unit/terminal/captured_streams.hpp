// captured_streams.hpp - this process's stdin, stdout and stderr, replaced by files while a test runs.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "base/unique_fd.hpp"
#include "launcher/terminal/log.hpp"
#include "tests/unit/state/scratch.hpp"

namespace agentvm::test {

class CapturedStreams {
 public:
  explicit CapturedStreams(const std::string& input = {}) {
    commands::set_up_log(0, false);  // spdlog's own default writes to stdout
    replace(0, scratch_.write("in", input), O_RDONLY);
    replace(1, scratch_.write("out", ""), O_WRONLY | O_APPEND);
    replace(2, scratch_.write("err", ""), O_WRONLY | O_APPEND);
  }
  CapturedStreams(const CapturedStreams&) = delete;
  CapturedStreams& operator=(const CapturedStreams&) = delete;
  ~CapturedStreams() { restore(); }

  /// Puts the streams back, so that a failing check can be read.
  void restore() {
    for (int fd = 0; fd < 3; ++fd) {
      if (saved_[fd]) dup2(saved_[fd].get(), fd);
      saved_[fd].reset();
    }
  }
  std::string out() const { return read_file(scratch_ / "out"); }
  std::string err() const { return read_file(scratch_ / "err"); }

 private:
  void replace(int fd, const std::string& path, int flags) {
    saved_[fd].reset(fcntl(fd, F_DUPFD_CLOEXEC, 32));
    const UniqueFd file(open(path.c_str(), flags | O_CLOEXEC));
    REQUIRE(file);
    dup2(file.get(), fd);
  }
  Scratch scratch_;
  UniqueFd saved_[3];
};

}  // namespace agentvm::test
