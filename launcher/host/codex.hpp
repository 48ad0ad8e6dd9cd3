// codex.hpp - the native Codex program on this host: the file that can run in a guest without Node.
#pragma once

#include <string>

#include "vmspec/plan/host_facts.hpp"

namespace agentvm::host {

/// `package` is agent.package: "auto" (AGENTVM_CODEX, PATH, then the copy in CACHE/tools/codex of each of tool_caches),
/// "host" (AGENTVM_CODEX, PATH), or a path ("~/" allowed). What is found may be npm's launcher (codex.js) or a wrapper;
/// the native program behind it is what is returned. An empty path: none found.
vmspec::AgentProgram find_codex(const std::string& package, const std::string& cache_dir);

/// The native program behind a file called codex: itself when it is an ELF file, else the one npm put beside the
/// launcher's package, or the one a Nix wrapper hides (.codex-wrapped). "" when there is none.
std::string native_codex(const std::string& path);

}  // namespace agentvm::host
