// programs.cpp - what must be on the host for a run, and how to get what is missing.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "vmspec/plan/names.hpp"
#include "vmspec/plan/paths.hpp"
#include "vmspec/plan/planner.hpp"

namespace agentvm::vmspec {

namespace {

/// A thing a run cannot do without.
struct Requirement {
  std::string_view name;
  std::string_view what;    ///< what it is and what it is for
  std::string_view remedy;  ///< how to get it
  ExitCode code;
};

constexpr std::array<Requirement, 7> requirements = {{
    {"qemu", "QEMU, which runs the machine",
     "install qemu-system-x86 (Debian) or qemu (NixOS), or set AGENTVM_QEMU to qemu-system-x86_64",
     ExitCode::agentvm_failed},
    {"cloud-hypervisor", "cloud-hypervisor, which machine.hypervisor asks for",
     "install cloud-hypervisor (NixOS), or a release from https://www.cloudhypervisor.org, or set "
     "AGENTVM_CLOUD_HYPERVISOR to it, or use --hypervisor qemu",
     ExitCode::agentvm_failed},
    {"virtiofsd", "virtiofsd 1.13 or newer, which shares directories with the machine",
     "install it with `cargo install virtiofsd` (needs libseccomp-dev and libcap-ng-dev), or set AGENTVM_VIRTIOFSD to "
     "it",
     ExitCode::agentvm_failed},
    {"kernel", "Linux kernel that can be read, with its modules, for the machine to boot",
     "install linux-image-cloud-amd64 (Debian), or set AGENTVM_KERNEL and AGENTVM_MODULES", ExitCode::agentvm_failed},
    {"agentvm-guest", "agentvm-guest, agentvm's own program inside the machine",
     "it belongs beside agentvm: build or install agentvm as a whole, or set AGENTVM_GUEST to it",
     ExitCode::agentvm_failed},
    {"bwrap", "bubblewrap, without which no MCP server is started on this host",
     "install bubblewrap (Debian), or switch the servers off: [mcp.NAME] command = []", ExitCode::agentvm_failed},
    {"codex", "Codex, the agent",
     "install it with `npm install -g @openai/codex`, or set AGENTVM_CODEX or agent.package to its path",
     ExitCode::cannot_start},
}};

/// Debian packages of common commands.
constexpr std::array<std::pair<std::string_view, std::string_view>, 15> packages = {{
    {"cargo", "cargo (Debian), or rustup from https://rustup.rs"},
    {"rustc", "rustc (Debian), or rustup from https://rustup.rs"},
    {"python3", "python3 (Debian)"},
    {"node", "nodejs (Debian)"},
    {"npm", "npm (Debian)"},
    {"go", "golang-go (Debian)"},
    {"cc", "build-essential (Debian)"},
    {"c++", "build-essential (Debian)"},
    {"gcc", "build-essential (Debian)"},
    {"g++", "build-essential (Debian)"},
    {"make", "build-essential (Debian)"},
    {"cmake", "cmake (Debian)"},
    {"ninja", "ninja-build (Debian)"},
    {"git", "git (Debian)"},
    {"mcp-nixos", "mcp-nixos with `pipx install mcp-nixos`"},
}};

std::string how_to_install(const std::string& name) {
  const std::string command = name.substr(name.rfind('/') + 1);
  for (const auto& [known, package] : packages) {
    if (known == command) return fmt::format("install {}", package);
  }
  return fmt::format("install {}", command);
}

const Requirement& requirement(std::string_view name) {
  return *std::find_if(requirements.begin(), requirements.end(),
                       [&](const Requirement& one) { return one.name == name; });
}

Problem missing(std::string_view name) {
  const Requirement& one = requirement(name);
  return {.message = fmt::format("there is no {}", one.what), .hint = std::string(one.remedy), .code = one.code};
}

}  // namespace

void Planner::programs() {
  const auto find = [this](const std::string& name) {
    const auto found = facts_.programs.find(name);
    return found == facts_.programs.end() ? std::string() : found->second;
  };
  // One that is there and is not started is not simply missing.
  const auto add_reason = [this](Problem& problem, const std::string& name) {
    const auto words = facts_.forbidden.find(name);
    if (words != facts_.forbidden.end()) problem.message += fmt::format(" ({})", words->second);
  };
  const std::string vmm = spec_.hypervisor == HypervisorKind::qemu ? "qemu" : "cloud-hypervisor";
  spec_.emulator = find(vmm);
  spec_.virtiofsd = find("virtiofsd");
  spec_.bubblewrap = find("bwrap");
  for (const std::string_view name : {std::string_view(vmm), std::string_view("virtiofsd")}) {
    if (!find(std::string(name)).empty()) continue;
    problems_.push_back(missing(name));
    add_reason(problems_.back(), std::string(name));
  }
  if (nix() == nullptr && facts_.agentvm_guest.empty()) problems_.push_back(missing("agentvm-guest"));
  const bool brings_agent = nix() != nullptr && nix()->agent;
  if (kind_of(profile_, request_) == AgentKind::codex && facts_.codex.path.empty() && !brings_agent) {
    Problem problem = missing("codex");
    if (profile_.agent.package != "auto" && profile_.agent.package != "host") {
      problem.message += fmt::format(" (agent.package is {})", quote_value(profile_.agent.package));
    }
    if (!facts_.codex.obstacle.empty()) {
      problem.message += fmt::format(" ({})", facts_.codex.obstacle);
      if (!facts_.codex.hint.empty()) problem.hint = facts_.codex.hint;
    } else {
      add_reason(problem, "codex");
    }
    problems_.push_back(std::move(problem));
  } else if (kind_of(profile_, request_) == AgentKind::codex && !brings_agent && !facts_.codex.obstacle.empty()) {
    note(fmt::format("Codex is {}: {}.", facts_.codex.path, facts_.codex.obstacle));
  }
  if (nix() == nullptr && find("sudo").empty())
    advise("sudo is not installed on the host, so the agent cannot become root in the guest.");
}

void Planner::kernel() {
  if (nix() != nullptr) {
    nix_image(*nix());
    return;
  }
  spec_.image.kind = GuestKind::host;
  if (facts_.kernels.empty()) {
    problems_.push_back(missing("kernel"));
    return;
  }
  const KernelFacts& best = facts_.kernels.front();
  spec_.image.kernel = best.image;
  spec_.image.kernel_version = best.version;
  spec_.image.modules = best.modules;
  note(fmt::format("The guest is this host's own /usr, read-only, under Linux {}.", best.version));
  if (!has_modules()) {
    note(
        fmt::format("modprobe finds no modules in the guest, because those of Linux {} are not in this host's /usr; a "
                    "kernel of the "
                    "host's own has them there: AGENTVM_KERNEL=/boot/vmlinuz-VERSION.",
                    best.version));
  }
  if (facts_.nix_passed_over) {
    note("Nix is installed, but no guest has been built for this profile yet: `agentvm build` builds it.");
  }
}

bool Planner::has_modules() const {
  return is_within(spec_.image.modules, "/usr") || is_within(spec_.image.modules, "/lib");
}

/// Tools are promised to the agent, so each must be where the guest looks.
void Planner::tools() {
  if (nix() != nullptr) return;
  for (const std::string& tool : profile_.guest.tools) {
    const auto found = facts_.found.find(tool);
    if (found == facts_.found.end()) {
      refuse("guest.tools", fmt::format("{} is not installed on this host", quote_value(tool)),
             how_to_install(tool) + ", or take it out of guest.tools", ExitCode::cannot_start);
    } else if (!guest_sees(found->second)) {
      refuse("guest.tools",
             fmt::format("{} is {} on this host, which the guest does not see", quote_value(tool), found->second),
             fmt::format("install it under /usr, or add its directory to guest.expose: expose.add = [\"{}\"]",
                         found->second.substr(0, std::max<std::size_t>(1, found->second.rfind('/')))),
             ExitCode::cannot_start);
    }
  }
}

void Planner::mcp_servers() {
  for (const auto& [name, server] : profile_.mcp) {
    if (server.command.empty()) continue;
    const std::string key = fmt::format("mcp.{}.command", name);
    // What a built-in profile gives to its agent is of no use to a command of the caller's.
    if (request_.command && profile_.origin(key).file.starts_with("built-in ")) continue;
    const auto found = facts_.found.find(server.command.front());
    if (found == facts_.found.end()) {
      const auto forbidden = facts_.forbidden.find(server.command.front());
      const std::string message =
          forbidden != facts_.forbidden.end()
              ? forbidden->second
              : fmt::format("{} is not installed on this host", quote_value(server.command.front()));
      // A command of the caller's seldom talks to an MCP server; an agent is told that it has one. What may not be
      // started is refused to both.
      if (kind_of(profile_, request_) == AgentKind::command && forbidden == facts_.forbidden.end()) {
        advise(fmt::format("MCP server {} is left out: {}.", name, message));
      } else {
        refuse(key, message,
               fmt::format("{}, or switch the server off: [mcp.{}] command = []",
                           how_to_install(server.command.front()), name),
               ExitCode::cannot_start);
      }
      continue;
    }
    McpSpec spec{name,       server.command, server.tools_allow, server.tools_deny, server.arguments_deny,
                 server.env, server.network};
    spec.command.front() = found->second;
    spec_.mcp.push_back(std::move(spec));
  }
  if (spec_.mcp.empty() || !spec_.bubblewrap.empty()) return;
  if (kind_of(profile_, request_) == AgentKind::command) {
    advise("MCP servers are left out: bubblewrap, their sandbox, is not installed on this host.");
    spec_.mcp.clear();
  } else {
    problems_.push_back(missing("bwrap"));
  }
}

}  // namespace agentvm::vmspec
