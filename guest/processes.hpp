// processes.hpp - the processes started for the host: their streams, their ends, their number.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "base/async/event.hpp"
#include "base/process.hpp"
#include "base/unique_fd.hpp"
#include "base/wire/guest.hpp"

namespace agentvm::guest {

/// Running at once; what has ended and waits to be read is bounded by four times as many.
inline constexpr std::size_t max_processes = 256;
/// How long an ended process waits for somebody to ask for its output.
inline constexpr std::chrono::seconds output_linger{10};

/// One process, from its start until its output is read.
struct Process {
  using Descriptor = boost::asio::posix::stream_descriptor;
  /// One of its outputs.
  struct Output {
    std::optional<Descriptor> source;  ///< taken by the one who sends it
    bool claimed = false;
    bool ended = true;  ///< sent to its end, or never there
  };

  explicit Process(const boost::asio::any_io_executor& executor) : changed(executor) {}
  bool exited() const noexcept { return status.has_value(); }
  /// Completes when it has ended.
  boost::asio::awaitable<void> wait_exited();
  /// Completes when both outputs are sent.
  boost::asio::awaitable<void> wait_sent();
  /// To the foreground group of its terminal, else to its own group; nothing once it has ended.
  void signal(int number) const noexcept;
  /// Ends everything in its session: a terminal is hung up first and its processes have a second to go.
  boost::asio::awaitable<void> kill();

  std::uint32_t id = 0;
  pid_t pid = -1;  ///< also its group and its session
  std::optional<ExitStatus> status;
  UniqueFd terminal;                ///< the PTY's master; none without a PTY
  std::optional<Descriptor> input;  ///< taken by the one who feeds it
  Output out, err;
  AsyncEvent changed;  ///< status or outputs
};
using ProcessPtr = std::shared_ptr<Process>;

/// All of them. Statuses arrive through reap(), which the owner calls on SIGCHLD.
class ProcessTable : public std::enable_shared_from_this<ProcessTable> {
 public:
  explicit ProcessTable(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  /// Returns when the program runs. Throws Error: not_found, cannot_start, or agentvm_failed when there are too many.
  boost::asio::awaitable<ProcessPtr> start(ProcessSpec spec);
  /// nullptr: no such process.
  ProcessPtr find(std::uint32_t id) const noexcept;
  /// Takes the statuses of children that have ended. `every_child`: of orphans as well, as PID 1 must; otherwise only
  /// of ours, so that nobody else's child is taken away.
  void reap(bool every_child) noexcept;
  /// To all that run; a terminal's processes get SIGHUP with SIGTERM, which shells ignore.
  void terminate_all() const noexcept;
  std::size_t running() const noexcept { return running_.size(); }
  /// After this start() refuses.
  void refuse_new() noexcept { refusing_ = true; }

 private:
  void exited(pid_t pid, int wait_status) noexcept;
  boost::asio::awaitable<void> retire(ProcessPtr process);

  boost::asio::any_io_executor executor_;
  std::uint32_t last_id_ = 0;
  std::map<std::uint32_t, ProcessPtr> by_id_;
  std::map<pid_t, ProcessPtr> running_;
  bool refusing_ = false;
};

}  // namespace agentvm::guest
