// json_lines.hpp - JSON lines: read from a stream in any pieces, and written to stdout with an agent's output among
// them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>
#include <vector>

#include "launcher/terminal/local_streams.hpp"

namespace agentvm::commands {

/// Cuts bytes into lines. A line longer than 64 MiB is an Error.
class LineReader {
 public:
  /// The lines that are complete now, without their newlines.
  std::vector<std::string> add(const std::string& bytes);

 private:
  std::string partial_;
};

/// Cuts text so that no UTF-8 character is split between two pieces.
class CharacterCutter {
 public:
  /// The part of what has come so far that ends with a whole character.
  std::string add(const std::string& bytes);

 private:
  std::string partial_;
};

/// Writes JSON lines to stdout.
class JsonLines {
 public:
  explicit JsonLines(boost::asio::any_io_executor executor);

  /// Both are false when nobody reads any more.
  boost::asio::awaitable<bool> line(std::string text);
  /// {"event":"output","stream":STREAM,"data":TEXT}; bytes that are no UTF-8 are replaced by U+FFFD.
  boost::asio::awaitable<bool> output(std::string stream, std::string bytes);
  boost::asio::awaitable<bool> flush();

 private:
  LocalOutput stdout_;
  std::map<std::string, CharacterCutter> cutters_;
};

}  // namespace agentvm::commands
