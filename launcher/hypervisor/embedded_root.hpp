// embedded_root.hpp - the private root of libvirt's in-process QEMU driver, one per VM.
//
// A fresh root spends seconds asking QEMU what it can do; libvirt keeps the answers below ROOT/cache and checks by
// itself whether they still hold (times of QEMU, of its own library, the kernel), so they are kept for the next VM.
#pragma once

#include <string>

namespace agentvm::hypervisor {

class EmbeddedRoot {
 public:
  EmbeddedRoot(std::string root, const std::string& cache_dir);

  /// Makes the root with its qemu.conf and what is known about QEMU. Throws Error.
  void prepare() const;
  /// Keeps what libvirt learnt for other VMs. Several processes may do it at once; failing costs only time later.
  void save_capabilities() const noexcept;
  /// Where the driver notes QEMU's pid.
  std::string pid_file(const std::string& domain_name) const;
  std::string uri() const;
  const std::string& path() const noexcept { return root_; }

 private:
  std::string root_;
  std::string saved_;
};

}  // namespace agentvm::hypervisor
