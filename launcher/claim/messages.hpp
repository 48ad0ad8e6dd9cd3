// messages.hpp - what callers, agentvm-poold and the keepers of pooled VMs say to each other.
//
// JSON lines on unix stream sockets, with descriptors beside them (SCM_RIGHTS). Each line is an object with one member,
// which names the message. Nobody trusts the other side: sizes are bounded, and what is not known is refused.
//
//   caller -> poold      {"claim": Claim}                      one VM of a pool
//                        {"status": {}}                        -> {"status": {...}}, and the connection is closed
//                        {"resize": {"pool": P, "size": N}}    -> {"status": {...}}
//                        {"drain": {"pool": P}}                -> {"status": {...}} when none is idle or booting
//   poold -> caller      {"refused": Refusal}                  or the keeper answers, on the same connection:
//   keeper -> caller     {"claimed": Claimed}                  with the streams of both links, control first, and the
//                                                              listeners that were asked for
//   caller -> keeper     {"plug": {"listener": I, "share": ShareSpec}}, {"unplug": {"tag": T}}, {"pause": {}},
//                        {"resume": {}}, {"kill": {}}          each -> {"done": {}} or {"failed": {"sentence": S}}
//                        {"links": {}}                         -> {"done": {}} with both streams, after a drop
//   keeper -> caller     {"ended": Ended}                      at any time: the VM is no more
//   poold -> keeper      {"claim": {"listeners": N}}           with the caller's connection
//   keeper -> poold      {"state": KeeperState}                whenever it changes, and on each new connection
//                        {"failed": {"sentence": S}}           a claim that came to nothing: the VM goes
//
// Whoever holds the connection to a keeper holds the VM: when it closes, the VM is killed. It is never used twice.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "vmspec/plan/pooled.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::pool {

/// Longest line, bytes.
inline constexpr std::size_t longest_line = std::size_t{1} << 20;
/// Most listeners of a claim; a plan has no more shares (vmspec/plan/shares.cpp).
inline constexpr unsigned most_listeners = 16;
/// Most descriptors beside a line.
inline constexpr std::size_t most_descriptors = most_listeners + 2;

struct Claim {
  std::string pool;
  vmspec::MachineShape shape;  ///< what the run wants
  unsigned listeners = 0;      ///< a socket for each share that the caller's virtiofsd will serve
};

struct Refusal {
  /// empty: none is ready now; kept: what is ready is for others, who have fewer; shape: none would fit; limit: the
  /// caller has as many as it may; unknown: no such pool; ending: the pool is drained.
  std::string reason;
  std::string sentence;
};

struct Claimed {
  vmspec::VmSpec spec;  ///< of the pooled VM
  bool shared = false;  ///< LinkStreams::shared
};

struct Ended {
  std::string how;    ///< powered_off, crashed, killed, vmm_died
  std::string words;  ///< the sentence
};

/// A pooled VM as its keeper tells it.
struct KeeperState {
  std::string name;   ///< of the VM
  std::string phase;  ///< booting, idle, claimed, ending
  std::int64_t boot_ms = 0;
  std::uint64_t memory_bytes = 0;  ///< that the VMM has of the host (proc(5), Pss); 0: not known
  std::int64_t born_unix_ms = 0;
  std::uint32_t caller = 0;  ///< uid, of a claimed one
  vmspec::MachineShape shape = {};
};

nlohmann::json to_json(const Claim& claim);
nlohmann::json to_json(const Refusal& refusal);
nlohmann::json to_json(const Claimed& claimed);
nlohmann::json to_json(const Ended& ended);
nlohmann::json to_json(const KeeperState& state);
// These throw Error naming the member that is wrong.
Claim claim_from_json(const nlohmann::json& json);
Refusal refusal_from_json(const nlohmann::json& json);
Claimed claimed_from_json(const nlohmann::json& json);
Ended ended_from_json(const nlohmann::json& json);
KeeperState keeper_state_from_json(const nlohmann::json& json);

/// A member of a message's body: a text of at most 4096 bytes, a number from 0 to `most`. Throws Error when it is
/// missing, or something else.
std::string text_in(const nlohmann::json& body, const char* name);
std::uint64_t number_in(const nlohmann::json& body, const char* name, std::uint64_t most);

/// A line's one member: its name. Throws Error unless the line is such an object.
std::string name_of_message(const nlohmann::json& message);
/// A line from somebody, within limits of size, depth and keys. Throws Error.
nlohmann::json parse_message(std::string_view line);

}  // namespace agentvm::pool
