// nix_confinement.hpp - whether a Nix daemon builds in a sandbox, and whether this caller could make it.
//
// A daemon with `sandbox = false` or `relaxed` runs a stranger's builder on the bare host, and with `sandbox-fallback`
// it does so wherever the kernel refuses namespaces. It takes these settings from callers it trusts alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace agentvm::devshell {

struct NixConfinement {
  bool sandbox = false;                    ///< for every builder: `relaxed` is not
  bool fallback = false;                   ///< without one where there can be none
  std::vector<std::string> trusted_users;  ///< names, and "@" with the name of a group; "*": everybody
};

struct NixCaller {
  std::string user;
  std::vector<std::string> groups;
};

/// Of the answer of `nix show-config --json`. Throws Error when it is none.
NixConfinement parse_confinement(std::string_view json);

/// Whether the daemon is to be told; else it does so by itself. Throws Error saying what to set when it does not and
/// would not listen.
bool must_ask_for_confinement(const NixConfinement& daemon, const NixCaller& caller);

/// What the host's nix.conf says, without the caller's own settings; `nix` is absolute. Throws Error when Nix does not
/// answer.
NixConfinement read_confinement(const std::string& nix);
NixCaller caller();

}  // namespace agentvm::devshell
