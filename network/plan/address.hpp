// address.hpp - IPv4 addresses, prefixes and MAC addresses as plain values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agentvm::network {

/// An IPv4 address as a number in host order: 10.0.0.1 is 0x0a000001.
struct Ipv4 {
  std::uint32_t value = 0;
  // clang-tidy 14 takes the 0 that <=> is compared with for a pointer.
  auto operator<=>(const Ipv4&) const = default;  // NOLINT(modernize-use-nullptr)
};

/// An address range in CIDR notation. `address` has no bit set behind the first `bits`.
struct Prefix {
  Ipv4 address;
  unsigned bits = 32;  ///< 0..32

  std::uint32_t mask() const noexcept { return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits); }
  bool contains(Ipv4 one) const noexcept { return (one.value & mask()) == address.value; }
  /// Whether any address is in both.
  bool overlaps(const Prefix& other) const noexcept { return contains(other.address) || other.contains(address); }
  bool operator==(const Prefix&) const = default;
};

/// An Ethernet address.
struct Mac {
  std::array<std::uint8_t, 6> bytes{};
  auto operator<=>(const Mac&) const = default;  // NOLINT(modernize-use-nullptr)
};

std::string format(Ipv4 address);          ///< "10.0.0.1"
std::string format(const Prefix& prefix);  ///< "10.0.0.0/8"
std::string format(const Mac& mac);        ///< "02:00:00:00:00:01"

/// nullopt: not exactly that notation. A prefix with bits behind its length is not one.
std::optional<Ipv4> parse_ipv4(std::string_view text);
std::optional<Prefix> parse_prefix(std::string_view text);
std::optional<Mac> parse_mac(std::string_view text);

}  // namespace agentvm::network
