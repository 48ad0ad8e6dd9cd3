// privileges.cpp - capabilities(7) by system call.
#include "network/netd/privileges.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/error.hpp"

namespace agentvm::network {

namespace {

constexpr std::uint64_t kept = std::uint64_t{1} << CAP_NET_ADMIN | std::uint64_t{1} << CAP_NET_BIND_SERVICE |
                               std::uint64_t{1} << CAP_SETUID | std::uint64_t{1} << CAP_SETGID |
                               std::uint64_t{1} << CAP_KILL;

}  // namespace

void keep_network_privileges() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) < 0) throw system_error(errno, "reading the capabilities");
  if ((data[0].effective & 1U << CAP_NET_ADMIN) == 0) {
    throw Error("agentvm-netd needs CAP_NET_ADMIN to make bridges, taps and rules",
                "Start it as root, or by its systemd unit.", ExitCode::cannot_start);
  }
  // EPERM: without CAP_SETPCAP (a hardened unit) the bounding set is the unit's own. EINVAL: past the kernel's last
  // one.
  for (unsigned capability = 0; capability < 64; ++capability) {
    if ((kept >> capability & 1) == 0) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  for (int half = 0; half < 2; ++half) {
    const auto mask = static_cast<std::uint32_t>(kept >> (32 * half));
    data[half].permitted &= mask;
    data[half].effective = data[half].permitted;
    data[half].inheritable &= mask;
  }
  if (syscall(SYS_capset, &header, data) < 0) throw system_error(errno, "giving up capabilities");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) throw system_error(errno, "setting no_new_privs");
}

}  // namespace agentvm::network
