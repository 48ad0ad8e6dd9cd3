// json_lines.cpp - JSON lines in and out.
#include "launcher/client/json_lines.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;

namespace {

constexpr std::size_t longest_line = std::size_t{64} << 20;  // the last event holds the whole report

/// How many bytes at the end begin a character that is not whole yet.
std::size_t unfinished(const std::string& text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    const std::size_t whole = byte >= 0xf8 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return whole > back ? back : 0;
  }
  return 0;
}

}  // namespace

std::vector<std::string> LineReader::add(const std::string& bytes) {
  partial_ += bytes;
  std::vector<std::string> lines;
  std::size_t start = 0;
  for (auto end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', start)) {
    lines.push_back(partial_.substr(start, end - start));
    start = end + 1;
  }
  partial_.erase(0, start);
  if (partial_.size() > longest_line) throw Error("a line is longer than " + std::to_string(longest_line) + " bytes");
  return lines;
}

std::string CharacterCutter::add(const std::string& bytes) {
  partial_ += bytes;
  const std::size_t rest = unfinished(partial_);
  std::string whole = partial_.substr(0, partial_.size() - rest);
  partial_.erase(0, partial_.size() - rest);
  return whole;
}

JsonLines::JsonLines(asio::any_io_executor executor) : stdout_(std::move(executor), STDOUT_FILENO) {}

asio::awaitable<bool> JsonLines::line(std::string text) {
  std::string line = printable_json(std::move(text)) + "\n";
  co_return co_await stdout_.write(std::move(line));
}

asio::awaitable<bool> JsonLines::output(std::string stream, std::string bytes) {
  const std::string text = cutters_[stream].add(bytes);
  if (text.empty()) co_return true;
  nlohmann::ordered_json event;
  event["event"] = "output";
  event["stream"] = stream;
  event["data"] = text;
  co_return co_await line(event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

asio::awaitable<bool> JsonLines::flush() {
  return stdout_.flush();
}

}  // namespace agentvm::commands
