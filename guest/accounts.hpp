// accounts.hpp - which groups an account of this machine is in.
#pragma once

#include <sys/types.h>

#include <string_view>
#include <vector>

namespace agentvm::guest {

/// The groups of a user, `gid` first, as initgroups(3) takes them from /etc/passwd and /etc/group (passwd(5),
/// group(5)). A uid without an account is in `gid` alone. Lines that are not what those files hold are passed over.
/// Pure: a static program cannot load glibc's name services.
std::vector<gid_t> groups_of(std::string_view passwd, std::string_view group, uid_t uid, gid_t gid);

}  // namespace agentvm::guest
