// dev_env.hpp - reads what `nix print-dev-env --json` answers: the variables of a devShell.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace agentvm::devshell {

/// Largest answer that is read, bytes. That of a Rust shell has 200 kB, most of it stdenv's functions.
inline constexpr std::size_t max_answer = std::size_t{16} << 20;
/// Longest variable, name and all: one string of a command line (MAX_ARG_STRLEN, execve(2)) is at most 128 KiB long.
inline constexpr std::size_t max_variable = (std::size_t{128} << 10) - 2;
/// All variables together: half of what a program may be started with at the usual stack limit.
inline constexpr std::size_t max_environment = std::size_t{1} << 20;

struct DevEnv {
  std::map<std::string, std::string> environment;  ///< exported, without PATH, shellHook and what is the builder's own
  std::string path;                                ///< its absolute directories
  std::string hook;
};

/// Takes what `nix develop` would set: exported variables, but none that describes the place where it was built (HOME,
/// TMPDIR, ...; the list is ignoreVars of Nix 2.8 to 2.31, src/nix/develop.cc). Functions and arrays stay behind.
/// Throws Error saying what is wrong with the answer, or that there is more than a program can be started with.
DevEnv parse_dev_env(std::string_view answer);

}  // namespace agentvm::devshell
