// libvirt_message.cpp - takes the noise out of a message.
#include "launcher/hypervisor/libvirt_message.hpp"

#include <algorithm>
#include <cctype>

namespace agentvm::hypervisor {

namespace {

constexpr std::size_t longest = 4096;

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  return text;
}

/// The length of "2026-01-01T00:00:00.000000Z " at the beginning, 0 when there is none.
std::size_t time_stamp(std::string_view text) noexcept {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd.ddddddZ ";
  if (text.size() < shape.size()) return 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = std::isdigit(static_cast<unsigned char>(text[i])) != 0;
    if (shape[i] == 'd' ? !digit : text[i] != shape[i]) return 0;
  }
  return shape.size();
}

}  // namespace

std::string tidy_message(std::string_view message) {
  std::string line;
  std::string_view rest = message.substr(0, longest);
  while (!rest.empty()) {
    const std::size_t newline = std::min(rest.find('\n'), rest.size() - 1);
    const std::string_view next = trimmed(rest.substr(0, newline + 1));
    rest.remove_prefix(newline + 1);
    if (next.empty()) continue;
    if (!line.empty()) line += ' ';
    line += next;
    if (line.back() != ':') break;
  }
  constexpr std::string_view prefix = "internal error: ";
  if (line.starts_with(prefix)) line.erase(0, prefix.size());
  for (std::size_t at = 0; at < line.size(); ++at) line.erase(at, time_stamp(std::string_view(line).substr(at)));
  return line;
}

}  // namespace agentvm::hypervisor
