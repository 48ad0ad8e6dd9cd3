// lease.cpp - names to taps, MACs and addresses, by a hash and by moving on from what is taken.
#include "network/plan/lease.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "network/plan/subnet.hpp"

namespace agentvm::network {

namespace {

constexpr std::size_t longest_name_part = 6;

/// FNV-1a, then the finalizer of splitmix64: short names differ in every bit. The same in every version of agentvm.
std::uint64_t hash_of(std::string_view text, unsigned attempt) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (const char c : text) add(static_cast<unsigned char>(c));
  if (attempt > 0) {
    add(0);
    add(static_cast<unsigned char>(attempt & 0xff));
    add(static_cast<unsigned char>(attempt >> 8 & 0xff));
  }
  hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ hash >> 27) * 0x94d049bb133111eb;
  return hash ^ hash >> 31;
}

Mac mac_of(std::uint64_t hash) {
  Mac mac;
  mac.bytes[0] = 0x02;  // the "local" bit, and no "group" bit
  for (std::size_t i = 1; i < 6; ++i) mac.bytes[i] = static_cast<std::uint8_t>(hash >> (8 * i));
  return mac;
}

std::string tap_of(std::string_view vm, std::uint64_t hash) {
  return fmt::format("{}{}-{:04x}", tap_prefix, vm.substr(0, longest_name_part), hash >> 48);
}

/// The first of a row of attempts that nobody has.
template <typename Make, typename Taken>
auto first_free(std::string_view vm, const Make& make, const Taken& taken) {
  // Each attempt is as good as random, so among at most 65536 guests one of these is free.
  for (unsigned attempt = 0; attempt < 1000; ++attempt) {
    auto candidate = make(hash_of(vm, attempt));
    if (!taken(candidate)) return candidate;
  }
  throw Error(fmt::format("no name or MAC is free for the VM {}", vm));
}

}  // namespace

bool is_own_alias(std::string_view alias) noexcept {
  const std::string_view mark = link_mark;
  return alias == mark || (alias.size() > mark.size() && alias.starts_with(mark) && alias[mark.size()] == ':');
}

std::string tap_alias(std::string_view vm_name) {
  return fmt::format("{}:{}", link_mark, vm_name);
}

bool is_vm_name(std::string_view name) noexcept {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 41 && name.front() != '-' && std::all_of(name.begin(), name.end(), allowed);
}

Network make_network(std::string bridge, const Prefix& subnet) {
  const Mac mac = mac_of(hash_of("bridge " + bridge, 0));
  return {std::move(bridge), mac, subnet, gateway_of(subnet), {}};
}

Lease plan_lease(const Network& network, const std::string& vm, const std::vector<Lease>& leases,
                 const std::vector<std::string>& links) {
  if (!is_vm_name(vm)) throw Error("what was given cannot name a VM: a name is [a-z0-9][a-z0-9-]{0,40}");
  const auto any = [&](auto same) { return std::any_of(leases.begin(), leases.end(), same); };
  Lease lease;
  lease.vm = vm;
  lease.tap = first_free(
      vm, [&](std::uint64_t hash) { return tap_of(vm, hash); },
      [&](const std::string& tap) {
        return any([&](const Lease& one) { return one.tap == tap; }) ||
               std::find(links.begin(), links.end(), tap) != links.end();
      });
  lease.mac = first_free(vm, mac_of, [&](const Mac& mac) {
    return mac == network.bridge_mac || any([&](const Lease& one) { return one.mac == mac; });
  });
  // Every address but the network's own, the gateway's and the broadcast address.
  const std::uint64_t hosts = (std::uint64_t{1} << (32 - network.subnet.bits)) - 3;
  const std::uint64_t first = hash_of(vm, 0) % hosts;
  for (std::uint64_t step = 0; step < hosts; ++step) {
    lease.address.value = network.gateway.value + 1 + static_cast<std::uint32_t>((first + step) % hosts);
    if (!any([&](const Lease& one) { return one.address == lease.address; })) return lease;
  }
  throw Error(fmt::format("all {} addresses of {} are leased", hosts, format(network.subnet)),
              "End a VM, or give agentvm-netd a larger network with --subnet.", ExitCode::cannot_start);
}

}  // namespace agentvm::network
