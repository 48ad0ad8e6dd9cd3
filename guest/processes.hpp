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
#include <string>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "base/process.hpp"
#include "base/unique_fd.hpp"
#include "base/wire/guest.hpp"
#include "guest/host_link.hpp"

namespace agentvm::guest {

/// Running at once; what has ended and waits to be read is bounded by four times as many.
inline constexpr std::size_t max_processes = 256;
/// How long an ended process waits for somebody to ask for its output and its end, while a link stands.
inline constexpr std::chrono::seconds output_linger{10};

/// Something of a process that the host is to get to its end, once: an output, or the news that it has ended. A link
/// that is lost on the way leaves it to be asked for again.
struct Delivery {
  bool claimed = false;               ///< somebody has asked for it
  link::StreamPtr stream;             ///< what it is being sent on
  std::shared_ptr<HostLink> link;     ///< of that stream
  std::shared_ptr<HostLink> sent_on;  ///< sent to its end on this link
  bool given_up = false;              ///< nobody is to get it any more

  bool settled() const noexcept { return given_up || (sent_on && !sent_on->lost()); }
  /// Whether it waits to be asked for.
  bool waiting() const noexcept { return !stream && !settled(); }
};

/// One process, from its start until its outputs and its end are known to the host.
struct Process {
  using Descriptor = boost::asio::posix::stream_descriptor;

  /// One of its outputs: its pipe, and the end of what was read from it.
  struct Output : Delivery {
    std::optional<Descriptor> source;  ///< none once it has ended, or when it was never there
    std::string kept;                  ///< what may have to be sent again
    std::uint64_t kept_from = 0;       ///< offset of its first byte

    std::uint64_t end() const noexcept { return kept_from + kept.size(); }
    StreamRange range() const noexcept { return {kept_from, end()}; }
    /// At most `most` bytes from `offset` on, which must be kept.
    std::string slice(std::uint64_t offset, std::size_t most) const;
    void append(const char* bytes, std::size_t size) { kept.append(bytes, size); }
    /// Forgets what no reader that has been sent everything before `sent` can still ask for.
    void forget(std::uint64_t sent);
    void give_up() noexcept;
  };

  /// Its stdin: none with stdin_null, and none once it was closed.
  struct Input {
    std::optional<Descriptor> sink;
    link::StreamPtr stream;          ///< what feeds it
    std::shared_ptr<HostLink> link;  ///< of that stream
    std::uint64_t taken = 0;         ///< bytes of all streams so far
    bool line_begun = false;         ///< a PTY's input stands in the middle of a line
  };

  explicit Process(const boost::asio::any_io_executor& executor) : changed(executor) {}
  bool exited() const noexcept { return status.has_value(); }
  ProcessState state() const noexcept;
  /// Completes when it has ended.
  boost::asio::awaitable<void> wait_exited();
  /// Both outputs and the end.
  bool settled() const noexcept { return out.settled() && err.settled() && end.settled(); }
  bool waiting() const noexcept { return out.waiting() || err.waiting() || end.waiting(); }
  /// Whatever waits to be asked for will not be had any more.
  void give_up_waiting() noexcept;
  /// To the foreground group of its terminal, else to its own group; nothing once it has ended.
  void signal(int number) const noexcept;
  /// Ends everything in its session: a terminal is hung up first and its processes have a second to go.
  boost::asio::awaitable<void> kill();

  std::uint32_t id = 0;
  pid_t pid = -1;  ///< also its group and its session
  std::optional<ExitStatus> status;
  UniqueFd terminal;  ///< the PTY's master; none without a PTY
  Input input;
  Output out, err;
  Delivery end;        ///< of the news that it has ended
  AsyncEvent changed;  ///< status, input or deliveries
};
using ProcessPtr = std::shared_ptr<Process>;

/// All of them. Statuses arrive through reap(), which the owner calls on SIGCHLD.
class ProcessTable : public std::enable_shared_from_this<ProcessTable> {
 public:
  explicit ProcessTable(boost::asio::any_io_executor executor)
      : executor_(executor), link_changed_(executor), retiring_(executor) {}

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
  /// The link that processes are started and read on from now on.
  void set_link(std::shared_ptr<HostLink> link);
  /// Completes when no start is under way.
  boost::asio::awaitable<void> starts_settled();
  /// After this start() refuses.
  void refuse_new() noexcept { refusing_ = true; }

 private:
  void exited(pid_t pid, int wait_status) noexcept;
  bool linked() const noexcept { return !link_ || !link_->lost(); }
  boost::asio::awaitable<ProcessPtr> start_counted(ProcessSpec spec);
  boost::asio::awaitable<void> retire(ProcessPtr process);
  boost::asio::awaitable<void> wait_settled(ProcessPtr process);

  boost::asio::any_io_executor executor_;
  std::shared_ptr<HostLink> link_;
  AsyncEvent link_changed_;  ///< or a start has ended
  std::size_t starting_ = 0;
  std::uint32_t last_id_ = 0;
  std::map<std::uint32_t, ProcessPtr> by_id_;
  std::map<pid_t, ProcessPtr> running_;
  bool refusing_ = false;
  TaskGroup retiring_;  ///< one for each process, until its outputs and its end are known to the host
};

}  // namespace agentvm::guest
