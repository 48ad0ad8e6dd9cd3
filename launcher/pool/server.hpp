// server.hpp - agentvm-poold: keeps its pools full, and gives their VMs to callers.
//
// One loop and one thread. VMs belong to their keepers, which outlive it; what it knows of them it has from them, so a
// poold that was killed knows all of it again. Refill starts with a claim, never at a tick.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/async/clock.hpp"
#include "base/async/event.hpp"
#include "base/async/offload.hpp"
#include "base/async/task_group.hpp"
#include "base/unique_fd.hpp"
#include "launcher/pool/pool.hpp"

namespace agentvm::pool {

/// A keeper that was started or found.
struct KeeperProcess {
  std::string name;  ///< of its VM
  UniqueFd connection;
  UniqueFd pidfd;
};

/// What the server does to the world; a test has another one.
class Keepers {
 public:
  virtual ~Keepers() = default;
  /// Starts one for a VM of the pool. Throws Error.
  virtual KeeperProcess start(const PoolConfig& pool) = 0;
  /// Those that live, whoever started them: the pool's name of each. Those of `pools` have their pool's limits from
  /// now.
  virtual std::vector<std::pair<std::string, KeeperProcess>> find(const std::vector<PoolConfig>& pools) = 0;
  /// What a VM of the pool would be that is started now. It may take as long as building a guest takes, and is called
  /// on a thread of its own. Throws Error.
  virtual vmspec::MachineShape shape(const PoolConfig& pool) = 0;
};

struct ServerOptions {
  Config config;
  UniqueFd listener;          ///< a listening unix stream socket
  std::string metrics_file;   ///< OpenMetrics text, written when something changed, at most once a second; "": none
  std::uint32_t own_uid = 0;  ///< who may resize and drain, beside root
};

class Server {
 public:
  /// Both outlive it.
  Server(boost::asio::any_io_executor executor, ServerOptions options, Keepers& keepers, Clock& clock);

  /// Until end(). Its VMs live on; drain() first where they are not to.
  boost::asio::awaitable<void> serve();
  void end() noexcept;

  /// As `agentvm pool status --json` shows it.
  nlohmann::json status() const;
  std::string metrics() const;

 private:
  Pool* find(const std::string& name);
  void adopt(Pool& pool, KeeperProcess process);
  void fill();
  void retire(const std::shared_ptr<Member>& member);
  boost::asio::awaitable<void> see_end(std::shared_ptr<Member> member);
  boost::asio::awaitable<void> refill_later(Pool& pool);
  boost::asio::awaitable<void> follow(Pool& pool, std::shared_ptr<Member> member);
  void take_state(Pool& pool, Member& member, KeeperState state);
  boost::asio::awaitable<void> retire_old();
  boost::asio::awaitable<void> learn_shapes();
  boost::asio::awaitable<void> write_metrics();

  boost::asio::awaitable<void> accept();
  boost::asio::awaitable<void> answer(UniqueFd connection, std::uint32_t uid);
  boost::asio::awaitable<void> answer(LineSocket& caller, std::uint32_t uid);
  /// Why it is refused, where not for want of VMs; nullopt: it is not.
  std::optional<Refusal> refusal(std::uint32_t uid, Pool& pool);
  boost::asio::awaitable<void> give(LineSocket& caller, Claim claim);
  /// Why this uid may have no more; "": it may.
  std::string over_limit(std::uint32_t uid, const Pool& pool) const;
  void resize(Pool& pool, unsigned size);
  boost::asio::awaitable<void> drained(const Pool& pool);
  void changed() noexcept;

  boost::asio::any_io_executor executor_;
  ServerOptions options_;
  Keepers& keepers_;
  Clock& clock_;
  AsyncEvent changed_;
  bool ending_ = false;
  std::list<Pool> pools_;
  std::map<std::uint32_t, std::size_t> callers_;  ///< connections of each user
  BlockingWorker planner_;
  TaskGroup tasks_;
};

}  // namespace agentvm::pool
