// cloud_hypervisor_events.hpp - reads what cloud-hypervisor reports on its event monitor.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace agentvm::hypervisor {

/// One report, as {"timestamp": ..., "source": "vm", "event": "booted", "properties": {"id": "..."}}.
struct VmmEvent {
  std::string source;
  std::string event;
  std::string id;  ///< of the device it is about; "" when it is about none
  bool operator==(const VmmEvent&) const = default;
};

/// A document longer than this ends the reading, bytes.
inline constexpr std::size_t longest_vmm_event = std::size_t{64} << 10;

/// Documents are indented JSON with an empty line after each. What is no such document is passed over, and one that is
/// too long ends the reading: a VMM that a guest has taken over may write anything. How the bytes are cut into pieces
/// makes no difference.
class VmmEventReader {
 public:
  /// The events that are complete with these bytes.
  std::vector<VmmEvent> feed(std::string_view bytes);

 private:
  std::string pending_;
  std::size_t searched_ = 0;  ///< bytes of it that no document's end begins in
  bool given_up_ = false;
};

}  // namespace agentvm::hypervisor
