// virtio_device.hpp - drives one modern virtio PCI device from user space, as root, with two queues (virtio 1.2, 4.1).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace agentvm::hostile {

/// The virtio-fs device of one share. Memory is locked and its physical address looked up in /proc/self/pagemap, so it
/// needs neither a driver nor an IOMMU.
class VirtioFsDevice {
 public:
  /// Takes the device away from its driver. Throws Error when there is none with that tag.
  explicit VirtioFsDevice(const std::string& tag);
  ~VirtioFsDevice();
  VirtioFsDevice(const VirtioFsDevice&) = delete;
  VirtioFsDevice& operator=(const VirtioFsDevice&) = delete;

  /// Sends one request of at most a page and returns the answer. Throws Error when none comes within five seconds.
  std::string ask(std::string_view request);

 private:
  struct Queue;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agentvm::hostile
