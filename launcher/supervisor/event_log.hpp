// event_log.hpp - the run's events: kept in order, written to events.jsonl, followed live by any number of readers.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/async/event.hpp"
#include "base/link/link.hpp"
#include "launcher/supervisor/journal.hpp"

namespace agentvm::supervisor {

/// What the guest can cause without end is bounded by kind; what tells of the run's life always passes.
class EventLog {
 public:
  static constexpr std::size_t max_of_a_kind = 10'000;
  static constexpr std::size_t max_bytes_of_a_kind = std::size_t{8} << 20;

  EventLog(boost::asio::any_io_executor executor, const std::string& path);

  /// Adds {"event":name,"time":now, ...fields}; after close() nothing is added.
  void add(const std::string& name, const nlohmann::json& fields);
  /// Likewise for an event that the guest caused; beyond the limits it is only counted. True: it was added.
  bool add_of_guest(const std::string& name, const nlohmann::json& fields);
  /// No more events will come: followers end once they have read the last one.
  void close();

  /// Writes every event, old ones first, to a stream until close(); throws when the reader leaves.
  boost::asio::awaitable<void> follow(link::StreamPtr stream);

  /// The events of that name, as a JSON array text.
  std::string collected(const std::string& name) const;
  /// How many of each kind were only counted.
  const std::map<std::string, std::uint64_t>& dropped() const noexcept { return dropped_; }

 private:
  struct Line {
    std::string name;
    std::string text;
  };
  struct Amount {
    std::size_t lines = 0;
    std::size_t bytes = 0;
  };
  void append(const std::string& name, std::string text);

  std::vector<Line> lines_;
  std::map<std::string, Amount> of_guest_;
  std::map<std::string, std::uint64_t> dropped_;
  bool closed_ = false;
  Journal journal_;
  AsyncEvent changed_;
};

}  // namespace agentvm::supervisor
