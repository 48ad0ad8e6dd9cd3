// protocol.hpp - what agentvm-netd and its callers say to each other: one JSON line each way on a unix stream socket.
//
//   {"request":"acquire","name":"my-app","multi_queue":false}   -> {"lease":{...}} or {"error":"...","hint":"..."}
//   {"request":"show"}                                          -> {"network":{...}} or {"error":"...","hint":"..."}
//
// After a lease the connection stays open and silent: the lease lives until either side closes it. Whatever else a
// caller sends ends it. Callers are not trusted.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/plan/lease.hpp"

namespace agentvm::network {

inline constexpr char default_socket[] = "/run/agentvm-netd/netd.sock";
/// Whose members may take leases; root always may.
inline constexpr char group_name[] = "agentvm";

/// Longest request, and longest answer, in bytes with the newline.
inline constexpr std::size_t longest_request = 1024;
inline constexpr std::size_t longest_answer = std::size_t{256} << 10;

struct Request {
  enum class Kind { acquire, show } kind = Kind::show;
  std::string name = {};     ///< acquire: the VM's
  bool multi_queue = false;  ///< acquire: the tap is opened by the VMM once per queue (IFF_MULTI_QUEUE)
  bool operator==(const Request&) const = default;
};

/// A lease as its holder needs it.
struct LeaseInfo {
  Lease lease;
  std::string bridge;
  unsigned prefix = 24;  ///< length of the subnet
  Ipv4 gateway;
  Ipv4 resolver;
  std::vector<std::string> notes = {};  ///< sentences for the user: another subnet or bridge than usual, and why
  bool operator==(const LeaseInfo&) const = default;
};

/// The network as `agentvm net show` tells it.
struct NetworkInfo {
  struct Holder {
    Lease lease;
    std::uint32_t uid = 0;
    std::uint32_t pid = 0;
    bool operator==(const Holder&) const = default;
  };
  std::optional<Network> network;  ///< nullopt: there are no leases, and so no bridge
  std::vector<Holder> leases = {};
  std::vector<std::string> notes = {};  ///< what is not as usual, and what stands against it, with what to do
  bool operator==(const NetworkInfo&) const = default;
};

/// What an answer holds when it is neither.
struct Refusal {
  std::string error, hint;
};

// Lines end with "\n". The readers take them without it and throw Error that names what is wrong.
std::string to_line(const Request& request);
std::string to_line(const LeaseInfo& info);
std::string to_line(const NetworkInfo& info);
std::string to_line(const Refusal& refusal);
Request request_from_line(std::string_view line);
/// These throw the refusal as an Error with its hint when that is what came.
LeaseInfo lease_from_line(std::string_view line);
NetworkInfo network_from_line(std::string_view line);

}  // namespace agentvm::network
