// suid_filter.hpp - a seccomp filter under which no setuid or setgid file and no device node can be made.
//
// A setgid bit on a directory is another thing: it hands the directory's group on, as `git init --shared` wants it. A
// filter does not see what a path leads to, so it asks its listener (ShareWatch), which does.//
// A hostile guest that may write to a share asks virtiofsd for `chmod 4755`. Squashed ids decide whose file it is, not
// its mode: with the filter the system call itself fails with EPERM, whoever virtiofsd runs as. (systemd's
// RestrictSUIDSGID= rests on the same idea.)
#pragma once

#include <string>

namespace agentvm::workspace {

/// The program, as SpawnOptions::seccomp_filter takes it. Everything not named above stays allowed: virtiofsd adds its
/// own, far narrower filter on top. Throws Error when libseccomp cannot build it.
std::string suid_filter();

}  // namespace agentvm::workspace
