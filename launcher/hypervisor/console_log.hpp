// console_log.hpp - writes a guest's serial console, or what its VMM complains of, to a file, up to a limit.
//
// A VMM writes to a FIFO, not to the file: a guest that prints without end would fill the disk otherwise.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>
#include <string>

namespace agentvm::hypervisor {

class ConsoleLog {
 public:
  /// Makes the FIFO (0600) and copies what is written to it to `log` from now on, at most `limit` bytes; then it says
  /// so and only drains. Throws Error.
  ConsoleLog(const boost::asio::any_io_executor& executor, std::string fifo, const std::string& log,
             std::size_t limit = std::size_t{16} << 20);
  /// Writes what is left in the FIFO and removes it.
  ~ConsoleLog();
  ConsoleLog(const ConsoleLog&) = delete;
  ConsoleLog& operator=(const ConsoleLog&) = delete;

  const std::string& fifo() const noexcept { return fifo_; }

 private:
  struct State;
  std::string fifo_;
  std::shared_ptr<State> state_;
};

/// Whether the last lines of a console say that the guest's kernel panicked.
bool console_shows_panic(const std::string& log) noexcept;

}  // namespace agentvm::hypervisor
