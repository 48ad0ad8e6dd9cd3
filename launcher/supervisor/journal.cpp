// journal.cpp - events as JSON lines in a file.
#include "launcher/supervisor/journal.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_time.hpp"

namespace agentvm::supervisor {

std::string event_line(const std::string& name, const nlohmann::json& fields) {
  nlohmann::ordered_json event;
  event["event"] = name;
  event["time"] = timestamp_now();
  for (const auto& [key, value] : fields.items()) event[key] = value;
  return event.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Journal::Journal(const std::string& path) noexcept
    : file_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  if (!file_) spdlog::warn("nothing is written to {}: {}", path, system_error(errno, "opening it").what());
}

void Journal::add(const std::string& line) noexcept {
  if (!file_) return;
  size_ += line.size();
  try {
    if (size_ > largest) throw Error("it has reached its largest size");
    write_all(file_.get(), line, "writing a journal");
  } catch (const Error& error) {
    spdlog::warn("a journal ends here: {}", error.what());
    file_.reset();
  }
}

}  // namespace agentvm::supervisor
