// vm_name.hpp - the names of VMs: the rule, and the name a VM gets when nobody gave one.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace agentvm::state {

/// [a-z0-9][a-z0-9-]{0,40}: a directory, a host name and a libvirt domain can all be called so.
bool valid_name(std::string_view name) noexcept;
/// Throws a usage Error that names the rule.
void check_name(const std::string& name);

/// The workspace's last path component as a name: lower case, other characters as single dashes, at most 32 bytes;
/// "vm" when nothing is left.
std::string slug(std::string_view workspace);

/// slug(workspace), or the first of slug-2, slug-3... that `taken` refuses to know.
std::string default_name(std::string_view workspace, const std::function<bool(const std::string&)>& taken);

}  // namespace agentvm::state
