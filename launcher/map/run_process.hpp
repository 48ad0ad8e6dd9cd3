// run_process.hpp - runs tasks as `agentvm run --json` children, and ends all of them in order.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <list>
#include <memory>
#include <string>

#include "base/held_directory.hpp"
#include "launcher/map/attempt.hpp"

namespace agentvm::batch {

struct RunProcessOptions {
  std::string program;  ///< agentvm
  HeldDirectory logs;   ///< each task's events and words are added to ID.jsonl here; none: they are not kept
};

/// Each run is attached: it dies with us (PR_SET_PDEATHSIG), and its VM with it.
class RunProcesses final : public TaskRunner {
 public:
  RunProcesses(boost::asio::any_io_executor executor, RunProcessOptions options);
  ~RunProcesses() override;

  boost::asio::awaitable<Attempt> run(const PreparedTask& task, unsigned number) override;

  /// SIGTERM to every run, as its own caller's: the first goes to the agent, the second has the VM shut down, the third
  /// leaves it; what is asked for once more is killed. Runs that start later are not told.
  void interrupt();

 private:
  struct Running;
  static boost::asio::awaitable<void> read_events(std::shared_ptr<Running> running, int fd);
  static boost::asio::awaitable<void> read_words(std::shared_ptr<Running> running, int fd);
  boost::asio::awaitable<Attempt> follow(std::shared_ptr<Running> running);

  boost::asio::any_io_executor executor_;
  RunProcessOptions options_;
  std::list<std::weak_ptr<Running>> running_;
};

}  // namespace agentvm::batch
