// codex.hpp - the native Codex program on this host: the file that can run in a guest without Node.
#pragma once

#include <string>

#include "vmspec/plan/host_facts.hpp"

namespace agentvm::host {

/// `package` is agent.package: "auto" (AGENTVM_CODEX, PATH, then the copy in CACHE/tools/codex of each of tool_caches),
/// "host" (AGENTVM_CODEX, PATH), or a path ("~/" allowed). What is found may be npm's launcher (codex.js), pnpm's
/// script for it or a wrapper; the native program behind it is what is returned. An empty path: none that can be used,
/// and `obstacle` says what is there instead, if anything: a version manager's shim, a program that calls itself
/// something else when asked for its version, or one that a guest may have written (which is not asked).
vmspec::AgentProgram find_codex(const std::string& package, const std::string& cache_dir);

/// The native program behind a file called codex: itself when it is an ELF file that is not called otherwise, else the
/// one npm put beside the launcher's package, or the one a Nix wrapper hides (.codex-wrapped). Starts nothing and asks
/// no version. Without one, `obstacle` says what the file is ("" when there is none).
vmspec::AgentProgram native_codex(const std::string& path);

}  // namespace agentvm::host
