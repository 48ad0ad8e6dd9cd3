// netd_lines_fuzz.cpp - what strangers send to agentvm-netd, and what it answers: refused with an Error, or unchanged
// by a second trip.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.hpp"
#include "network/plan/protocol.hpp"

namespace {

using namespace agentvm::network;

template <typename Value>
void check(std::string_view text, Value (*from_line)(std::string_view)) {
  Value value;
  try {
    value = from_line(text);
  } catch (const agentvm::Error&) {
    return;
  }
  const std::string line = to_line(value);
  if (line.back() != '\n' || line.find('\n') != line.size() - 1) std::abort();
  if (!(from_line(std::string_view(line).substr(0, line.size() - 1)) == value)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, request_from_line);
  check(text, lease_from_line);
  check(text, network_from_line);
  return 0;
}
