// event_log.cpp - events as JSON lines.
#include "launcher/supervisor/event_log.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::supervisor {

std::string timestamp_now() {
  const auto now = std::chrono::system_clock::now();
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03d}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     milliseconds);
}

EventLog::EventLog(boost::asio::any_io_executor executor, const std::string& path)
    : file_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)), changed_(std::move(executor)) {
  if (!file_) throw system_error(errno, "opening " + path);
}

void EventLog::add(const std::string& name, nlohmann::json fields) {
  if (closed_) return;
  if (lines_.size() >= max_events) {
    ++dropped_;
    return;
  }
  nlohmann::ordered_json event;
  event["event"] = name;
  event["time"] = timestamp_now();
  for (const auto& [key, value] : fields.items()) event[key] = value;
  // What the guest said may not be UTF-8; a log line always is.
  std::string text = event.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  try {
    write_all(file_.get(), text, "writing the event log");
  } catch (const Error&) {
    // A full disk must not end the run: the events are still in memory and with their followers.
  }
  lines_.push_back({name, std::move(text)});
  changed_.notify();
}

void EventLog::close() {
  closed_ = true;
  changed_.notify();
}

boost::asio::awaitable<void> EventLog::follow(link::StreamPtr stream) {
  std::size_t next = 0;
  for (;;) {
    while (next < lines_.size()) {
      std::string text = lines_[next++].text;
      co_await stream->write(std::move(text));
    }
    if (closed_) co_return;
    co_await changed_.wait();
    if (stream->broken()) co_return;
  }
}

std::string EventLog::collected(const std::string& name) const {
  std::string array = "[";
  for (const Line& line : lines_) {
    if (line.name != name) continue;
    if (array.size() > 1) array += ',';
    array.append(line.text, 0, line.text.size() - 1);
  }
  return array + "]";
}

}  // namespace agentvm::supervisor
