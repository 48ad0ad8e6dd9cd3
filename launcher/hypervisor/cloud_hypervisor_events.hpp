// cloud_hypervisor_events.hpp - reads what cloud-hypervisor reports on its event monitor.
#pragma once

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

/// Documents are indented JSON with an empty line after each. What is no such document is passed over, and one longer
/// than 64 KiB ends the reading: a VMM that a guest has taken over may write anything.
class VmmEventReader {
 public:
  /// The events that are complete with these bytes.
  std::vector<VmmEvent> feed(std::string_view bytes);

 private:
  std::string pending_;
  bool given_up_ = false;
};

}  // namespace agentvm::hypervisor
