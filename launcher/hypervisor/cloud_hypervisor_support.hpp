// cloud_hypervisor_support.hpp - what a cloud-hypervisor on this kernel can do, and what it said before it ended.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "vmspec/render/cloud_hypervisor.hpp"

namespace agentvm::hypervisor {

/// The oldest major version that boots a distribution's kernel (bzImage, v39).
inline constexpr int oldest_cloud_hypervisor = 39;

/// From the answer to vmm.ping, {"version": "53.0.0", ...}, and this kernel. Throws Error when the version is too old.
vmspec::CloudHypervisorFeatures cloud_hypervisor_features(const nlohmann::json& ping);

/// The last line of its log that is an error; its panics and a complaint on its command line too. "" when there is
/// none.
std::string last_vmm_words(const std::string& log);

}  // namespace agentvm::hypervisor
