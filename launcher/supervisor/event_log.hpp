// event_log.hpp - the run's events: kept in order, written to events.jsonl, followed live by any number of readers.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/async/event.hpp"
#include "base/link/link.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::supervisor {

/// The log holds at most max_events lines in memory; past that an event is only counted, so that a guest that causes
/// events without end costs nothing more.
class EventLog {
 public:
  static constexpr std::size_t max_events = 20000;

  /// Appends to `path` (made 0600). Throws Error when it cannot be opened.
  EventLog(boost::asio::any_io_executor executor, const std::string& path);

  /// Adds {"event":name,"time":now, ...fields}.
  void add(const std::string& name, nlohmann::json fields);
  /// No more events will come: followers end once they have read the last one.
  void close();

  /// Writes every event, old ones first, to a stream until close(); throws when the reader leaves.
  boost::asio::awaitable<void> follow(link::StreamPtr stream);

  /// The events of that name, as a JSON array text.
  std::string collected(const std::string& name) const;
  std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  struct Line {
    std::string name;
    std::string text;
  };
  std::vector<Line> lines_;
  std::uint64_t dropped_ = 0;
  bool closed_ = false;
  UniqueFd file_;
  AsyncEvent changed_;
};

/// "2026-01-31T12:00:00.123Z".
std::string timestamp_now();

}  // namespace agentvm::supervisor
