// boot_console_fuzz.cpp - a guest's console while it boots, any bytes of it: what is shown is short, clean and one
// line.
//
// The first byte says how large the pieces are, in which nothing changes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "launcher/machine/boot_console.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const std::string& words) {
  require(words.size() <= 200 && agentvm::plain_line(words, 1000) == words);
}

std::vector<std::string> steps_of(agentvm::machine::BootConsole& console, std::string_view text, std::size_t piece) {
  std::vector<std::string> steps;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    for (const std::string& step : console.add(text.substr(at, piece))) steps.push_back(step);
  }
  return steps;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  agentvm::machine::BootConsole whole, pieces;
  const std::vector<std::string> steps = steps_of(whole, text, text.size());
  require(steps == steps_of(pieces, text, data[0] + std::size_t{1}));
  require(whole.news() == pieces.news() && whole.failed() == pieces.failed() && whole.step() == pieces.step());
  for (const std::string& step : steps) check(step);
  check(whole.failed());
  return 0;
}
