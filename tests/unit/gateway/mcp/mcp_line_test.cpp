// mcp_line_test.cpp - lines out of pieces of any size, and what becomes of those that are too long.
#include "launcher/gateway/mcp/mcp_line.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using agentvm::gateway::LineSplitter;

namespace {

/// The lines of a text fed in pieces; "!" stands for one that was too long, "~" marks what the stream ended in.
std::vector<std::string> lines_of(const std::string& text, std::size_t piece, std::size_t limit) {
  std::vector<std::string> lines;
  LineSplitter splitter(limit);
  for (std::size_t at = 0; at < text.size(); at += piece) {
    splitter.feed(std::string_view(text).substr(at, piece));
    while (const auto line = splitter.next()) lines.push_back(line->too_long ? "!" : line->text);
  }
  if (const auto rest = splitter.rest()) lines.push_back(rest->too_long ? "~!" : "~" + rest->text);
  return lines;
}

}  // namespace

TEST_SUITE("gateway/mcp_line") {
  TEST_CASE("lines") {
    const std::vector<std::string> expected = {"one", "", "three\r", "~four"};
    for (const std::size_t piece : {1, 2, 3, 5, 100}) CHECK(lines_of("one\n\nthree\r\nfour", piece, 10) == expected);
    CHECK(lines_of("", 1, 10).empty());
    CHECK(lines_of("a\n", 1, 10) == std::vector<std::string>{"a"});
  }

  TEST_CASE("a line over the limit is told once and the next one is good again") {
    const std::string text = "short\n" + std::string(11, 'x') + "\nexact-ten!\n" + std::string(1000, 'y') + "\nend\n";
    const std::vector<std::string> expected = {"short", "!", "exact-ten!", "!", "end"};
    for (const std::size_t piece : {1, 3, 10, 11, 12, 13, 5000}) CHECK(lines_of(text, piece, 10) == expected);
    CHECK(lines_of(std::string(100, 'x'), 7, 10) == std::vector<std::string>{"~!"});
  }
}
