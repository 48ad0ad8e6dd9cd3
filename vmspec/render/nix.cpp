// nix.cpp - a profile as the files of a microvm.nix flake.
#include "vmspec/render/nix.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/wire/guest.hpp"
#include "vmspec/agents/agent_package.hpp"
#include "vmspec/agents/agents_md.hpp"
#include "vmspec/agents/codex_config.hpp"
#include "vmspec/render/nix_text.hpp"
#include "vmspec/render/nix_vm.hpp"

namespace agentvm::vmspec {

namespace {

constexpr std::size_t longest_name = 40;

/// What may stand in a file's name of ours: everything else becomes "-".
std::string plain_name(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    out += plain ? c : '-';
  }
  return out.substr(0, 100);
}

std::string_view last_part(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string module_file(std::size_t index, const std::string& path) {
  std::string name = plain_name(last_part(path));
  if (name.ends_with(".nix")) name.resize(name.size() - 4);
  return fmt::format("modules/{}-{}.nix", index + 1, name.empty() ? "module" : name);
}

/// What the profile is, for the first line of a file.
std::string title(const Profile& profile) {
  return profile.description.empty() ? "a machine for a coding agent" : profile.description;
}

std::string agent_input(const std::optional<NixPackage>& package) {
  if (!package || package->url.empty()) return "";
  if (package->input == "llm-agents") {
    return fmt::format(
        "\n    # The agent. It keeps its own nixpkgs, which is what its binary cache was built with.\n"
        "    llm-agents.url = {};\n",
        nix_string(package->url));
  }
  return fmt::format(
      "\n    # The agent.\n"
      "    {} = {{\n"
      "      url = {};\n"
      "      inputs.nixpkgs.follows = \"nixpkgs\";\n"
      "    }};\n",
      package->input, nix_string(package->url));
}

std::string flake(const Profile& profile, const DefinitionInput& input, const std::string& name,
                  const std::vector<DefinitionFile>& modules) {
  const auto package = nix_agent_package(profile.agent.kind, profile.agent.package);
  std::vector<std::string> parts = {"microvm.nixosModules.microvm", "agentvm.nixosModules.guest", "./vm.nix"};
  for (const DefinitionFile& module : modules) parts.push_back("./" + module.name);
  return nix_comment("flake.nix - " + name + ": " + title(profile)) +
         fmt::format(R"(
#
# nix build            what agentvm boots: manifest.json, and all that it names
# nix build .#runner   what microvm.nix boots by itself: in a directory with `workspace` in it, a directory or a link to one,
#                      start bin/tap-up and bin/virtiofsd-run as root, then bin/microvm-run
{{
  description = {description};

  inputs = {{
    nixpkgs.url = {nixpkgs};

    # Pinned: since 2026-07-26 a guest that reports ready over vsock is not slowed down by it.
    microvm = {{
      url = {microvm};
      inputs.nixpkgs.follows = "nixpkgs";
      # Needed for graphics alone.
      inputs.spectrum.follows = "";
    }};

    # The module of the guest's side: the agent's account and agentvm-guest.
    agentvm = {{
      url = {agentvm};
      inputs.nixpkgs.follows = "nixpkgs";
    }};
{agent}  }};

  outputs =
    inputs@{{
      nixpkgs,
      microvm,
      agentvm,
      ...
    }}:
    let
      system = {system};
      vm = nixpkgs.lib.nixosSystem {{
        inherit system;
        specialArgs = {{ inherit inputs; }};
        modules = {modules};
      }};
    in
    {{
      nixosConfigurations.{name} = vm;

      packages.${{system}} = {{
        default = vm.config.agentvm.image;
        runner = vm.config.microvm.declaredRunner;
      }};
    }};
}}
)",
                     fmt::arg("description", nix_string(title(profile))),
                     fmt::arg("nixpkgs", nix_string(profile.guest.nixpkgs)),
                     fmt::arg("microvm", nix_string(fmt::format("github:microvm-nix/microvm.nix/{}", microvm_commit))),
                     fmt::arg("agentvm", nix_string(input.agentvm_flake)), fmt::arg("agent", agent_input(package)),
                     fmt::arg("system", nix_string(input.system)), fmt::arg("modules", nix_list(parts, 8)),
                     fmt::arg("name", nix_attribute(name)));
}

std::vector<std::string> served_mcp(const Profile& profile) {
  std::vector<std::string> names;
  for (const auto& [name, server] : profile.mcp) {
    if (!server.command.empty()) names.push_back(name);
  }
  return names;
}

}  // namespace

std::string machine_name(const Profile& profile) {
  std::string_view name = last_part(profile.name);
  if (name.ends_with(".toml")) name.remove_suffix(5);
  std::string out;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (upper || plain) {
      out += upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  out.resize(std::min(out.size(), longest_name));
  while (!out.empty() && out.back() == '-') out.pop_back();
  // A host name of its own: NixOS refuses a second meaning of localhost.
  if (out == "localhost") return "localhost-vm";
  return out.empty() ? "agent" : out;
}

Definition render_definition(const Profile& profile, const DefinitionInput& input) {
  Definition definition{machine_name(profile), {}};
  std::vector<DefinitionFile> modules;
  for (const NixModule& module : input.modules) {
    modules.push_back({module_file(modules.size(), module.path), module.text});
  }
  const VmFiles own{.codex_config = profile.agent.kind == AgentKind::codex,
                    .agents_md = profile.agents_md.write && profile.agent.kind != AgentKind::command};
  definition.files.push_back({"flake.nix", flake(profile, input, definition.name, modules)});
  definition.files.push_back({"vm.nix", render_vm_nix(profile, definition.name, own)});
  if (own.codex_config) {
    definition.files.push_back({"codex.toml", render_codex_config({.model = profile.model.name,
                                                                   .workspace_mount = profile.workspace.mount,
                                                                   .mcp_servers = served_mcp(profile),
                                                                   .model_port = guest::model_tcp_port,
                                                                   .interactive = true})});
  }
  if (own.agents_md) {
    definition.files.push_back(
        {"AGENTS.md", render_agents_md({.user = profile.guest.user,
                                        .mount = profile.workspace.mount,
                                        .read_only = profile.workspace.mode == WorkspaceMode::read_only,
                                        .mcp_servers = served_mcp(profile),
                                        .kind = GuestKind::nix,
                                        .store_writable = profile.store.writable})});
  }
  std::move(modules.begin(), modules.end(), std::back_inserter(definition.files));
  return definition;
}

Profile shared_profile(const Profile& profile, bool emulated) {
  Profile shared = profile;
  if (shared.store.share == StoreShare::automatic) {
    shared.store.share = emulated && !profile.guest.devshell ? StoreShare::closure : StoreShare::host;
  }
  shared.description.clear();
  shared.machine = {};
  shared.network = {};
  shared.network.egress = EgressChoice::none;
  shared.agent.env.clear();
  shared.agents_md.write = false;
  shared.model = {};
  shared.mcp.clear();
  if (shared.workspace.mode == WorkspaceMode::review) shared.workspace.mode = WorkspaceMode::shared;
  return shared;
}

}  // namespace agentvm::vmspec
