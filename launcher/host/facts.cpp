// facts.cpp - gathers what the planner asks about.
#include "launcher/host/facts.hpp"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/process.hpp"
#include "base/startable.hpp"
#include "launcher/host/codex.hpp"
#include "launcher/host/git_identity.hpp"
#include "launcher/host/kernels.hpp"
#include "launcher/host/kvm.hpp"
#include "launcher/host/network.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/host/programs.hpp"

namespace agentvm::host {

namespace {

/// The CPUs this process may use, which in a container or under taskset are fewer than the machine has.
unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) < 0) {
    // More CPUs than a cpu_set_t holds: the machine is large, and a VM takes at most 256 of them.
    return static_cast<unsigned>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  }
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

std::uint64_t memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_size = sysconf(_SC_PAGESIZE);
  return pages > 0 && page_size > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_size) : 0;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

vmspec::HostFacts gather_facts(const vmspec::NeededFacts& needed, const state::Roots& roots,
                               const HeldDirectory& workspace, HeldDirectories& exposed) {
  vmspec::HostFacts facts;
  facts.cpus = usable_cpus();
  facts.memory_bytes = memory_bytes();
  const KvmProbe kvm = probe_kvm();
  facts.kvm = kvm.works;
  facts.kvm_reason = kvm.reason;
  if (needed.network) facts.nat = nat_facts();
  facts.uid = geteuid();
  facts.gid = getegid();
  facts.home = home_directory();
  facts.path = variable("PATH");
  facts.git = git_identity(workspace.path());
  facts.programs = find_tools(roots.cache);
  facts.kernels = find_kernels(roots.cache);
  if (!needed.agent_package.empty()) facts.codex = find_codex(needed.agent_package, roots.cache);
  if (!needed.agent_package.empty() && facts.codex.path.empty()) {
    const bool any = needed.agent_package == "auto" || needed.agent_package == "host";
    if (auto words = find_forbidden_tool(any ? "codex" : needed.agent_package))
      facts.forbidden.emplace("codex", *words);
  }
  facts.agentvm_guest = find_own_program("agentvm-guest").value_or("");
  for (const char* name : {"qemu", "virtiofsd", "bwrap", "cloud-hypervisor", "nix"}) {
    if (facts.programs.contains(name)) continue;
    if (auto words = find_forbidden_tool(name)) facts.forbidden.emplace(name, *std::move(words));
  }
  for (const std::string& name : needed.programs) {
    if (auto words = find_forbidden_tool(name)) facts.forbidden.emplace(name, *std::move(words));
    if (name.find('/') != std::string::npos) {
      const std::string path = expand_home(name);
      if (path.front() == '/' && access(path.c_str(), X_OK) == 0 && !forbidden_place(path)) {
        facts.found.emplace(name, path);
      }
    } else if (auto path = find_tool(name, roots.cache)) {
      // A version manager's copy in the home directory hides a system's one that a host guest sees just as well.
      if (!path->starts_with("/usr/") && variable(tool_variable(name).c_str()).empty()) {
        if (auto system_wide = find_program(name, "/usr/local/bin:/usr/bin:/usr/sbin")) path = std::move(system_wide);
      }
      facts.found.emplace(name, std::move(*path));
    }
  }
  for (const std::string& path : needed.paths) {
    auto found = find_path(path);
    if (!found) continue;
    if (found->held) exposed.emplace(found->facts.real, std::move(found->held));
    facts.paths.emplace(path, std::move(found->facts));
  }
  for (const std::string& name : needed.environment) {
    if (const char* value = std::getenv(name.c_str())) facts.environment.emplace(name, value);
  }
  struct stat info {};
  if (fstat(workspace.fd(), &info) == 0) {
    facts.workspace_uid = info.st_uid;
    facts.workspace_gid = info.st_gid;
  }
  return facts;
}

}  // namespace agentvm::host
