// kvm.hpp - whether this machine's KVM really runs guests.
#pragma once

#include <string>

namespace agentvm::host {

struct KvmProbe {
  bool works = false;
  std::string reason;  ///< why not, one clause with what to do about it; "" when it works
};

/// Tries it: opens /dev/kvm, makes a VM with one CPU and runs a few instructions in it, at most half a second. A KVM
/// without hardware virtualisation under it (neither vmx nor svm) is refused on x86: it boots no stock kernel.
/// AGENTVM_ACCEL=kvm or tcg overrides the answer.
KvmProbe probe_kvm();

}  // namespace agentvm::host
