// event_log.cpp - events in memory and in their journal.
#include "launcher/supervisor/event_log.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace agentvm::supervisor {

EventLog::EventLog(boost::asio::any_io_executor executor, const std::string& path)
    : journal_(path), changed_(std::move(executor)) {}

void EventLog::add(const std::string& name, const nlohmann::json& fields) {
  if (!closed_) append(name, event_line(name, fields));
}

bool EventLog::add_of_guest(const std::string& name, const nlohmann::json& fields) {
  if (closed_) return false;
  Amount& amount = of_guest_[name];
  if (amount.lines >= max_of_a_kind || amount.bytes >= max_bytes_of_a_kind) {
    ++dropped_[name];
    return false;
  }
  std::string text = event_line(name, fields);
  ++amount.lines;
  amount.bytes += text.size();
  append(name, std::move(text));
  return true;
}

void EventLog::append(const std::string& name, std::string text) {
  journal_.add(text);
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
