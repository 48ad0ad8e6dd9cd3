// log.cpp - spdlog, set up the way a command line speaks.
#include "launcher/terminal/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "base/text.hpp"
#include "launcher/terminal/output.hpp"

namespace agentvm::commands {

namespace {

/// "error: " and "warning: " in front, nothing before the rest.
class LevelWord final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& target) override {
    const std::string_view word = message.level == spdlog::level::err    ? "error: "
                                  : message.level == spdlog::level::warn ? "warning: "
                                                                         : "";
    message.color_range_start = target.size();
    target.append(word.data(), word.data() + word.size());
    message.color_range_end = target.size();
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelWord>(); }
};

/// Nothing that a message quotes drives the terminal, and its lines are folded where there is one; `prefix` is what
/// stands in front of the first.
std::string shown(std::string_view text, std::string_view prefix) {
  const std::string whole = std::string(prefix) + plain_text(text);
  return folded(whole, columns_of(STDERR_FILENO), 2).substr(prefix.size());
}

spdlog::string_view_t view(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

void set_up_log(int verbosity, bool color) {
  auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_st>(color ? spdlog::color_mode::always
                                                                              : spdlog::color_mode::never);
  auto logger = std::make_shared<spdlog::logger>("agentvm", std::move(sink));
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelWord>('*').set_pattern(verbosity > 1 ? "agentvm: [%o ms] %*%v" : "agentvm: %*%v");
  logger->set_formatter(std::move(formatter));
  logger->set_level(verbosity > 1 ? spdlog::level::debug : verbosity == 1 ? spdlog::level::info : spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
}

void log_debug(std::string_view text) {
  spdlog::debug(view(shown(text, "agentvm: ")));
}

void log_info(std::string_view text) {
  spdlog::info(view(shown(text, "agentvm: ")));
}

void log_warning(std::string_view text) {
  spdlog::warn(view(shown(text, "agentvm: warning: ")));
}

void log_error(std::string_view text, std::string_view hint) {
  spdlog::error(view(shown(text, "agentvm: error: ")));
  if (hint.empty()) return;
  // Not a message of its own, so no level and no name in front.
  const std::string line = shown(hint, "") + "\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

bool color_allowed(bool no_color_flag, int fd) noexcept {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return !no_color_flag && (no_color == nullptr || no_color[0] == '\0') && isatty(fd) == 1 &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

}  // namespace agentvm::commands
