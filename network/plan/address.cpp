// address.cpp - the notations of addresses, read strictly.
#include "network/plan/address.hpp"

#include <fmt/format.h>

#include <charconv>

namespace agentvm::network {

namespace {

/// A decimal number without sign, blank or needless zero; the text after it stays.
std::optional<unsigned> take_number(std::string_view& text, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || value > most || (length > 1 && text.front() == '0')) return std::nullopt;
  text.remove_prefix(length);
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string format(Ipv4 address) {
  const std::uint32_t v = address.value;
  return fmt::format("{}.{}.{}.{}", v >> 24, v >> 16 & 0xff, v >> 8 & 0xff, v & 0xff);
}

std::string format(const Prefix& prefix) {
  return fmt::format("{}/{}", format(prefix.address), prefix.bits);
}

std::string format(const Mac& mac) {
  const auto& b = mac.bytes;
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2], b[3], b[4], b[5]);
}

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  Ipv4 address;
  for (int i = 0; i < 4; ++i) {
    if (i > 0 && !take(text, '.')) return std::nullopt;
    const auto number = take_number(text, 255);
    if (!number) return std::nullopt;
    address.value = address.value << 8 | *number;
  }
  return text.empty() ? std::optional(address) : std::nullopt;
}

std::optional<Prefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_ipv4(text.substr(0, slash));
  text.remove_prefix(slash + 1);
  const auto bits = take_number(text, 32);
  if (!address || !bits || !text.empty()) return std::nullopt;
  const Prefix prefix{*address, *bits};
  return prefix.contains(*address) ? std::optional(prefix) : std::nullopt;
}

std::optional<Mac> parse_mac(std::string_view text) {
  Mac mac;
  if (text.size() != 17) return std::nullopt;
  for (std::size_t i = 0; i < 6; ++i) {
    const char* digits = text.data() + i * 3;
    const auto [end, error] = std::from_chars(digits, digits + 2, mac.bytes[i], 16);
    if (error != std::errc{} || end != digits + 2 || (i < 5 && digits[2] != ':')) return std::nullopt;
  }
  return mac;
}

}  // namespace agentvm::network
