// nix_vm.cpp - vm.nix, the machine itself among the files of a definition.
#include "vmspec/render/nix_vm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "vmspec/agents/agent_package.hpp"
#include "vmspec/agents/guidance.hpp"
#include "vmspec/render/nix_text.hpp"

namespace agentvm::vmspec {

namespace {

/// IFNAMSIZ is 16 with its NUL.
constexpr std::size_t longest_interface = 15;

/// FNV-1a, 64 bits (RFC draft-eastlake-fnv): spreads names, keeps no secret.
std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::uint64_t mebibytes(std::uint64_t bytes) {
  return (bytes + (std::uint64_t{1} << 20) - 1) >> 20;
}

/// The parts of vm.nix in the order of the text; each ends with an empty line.
class VmText {
 public:
  VmText(const Profile& profile, const std::string& name, const VmFiles& files)
      : profile_(profile),
        name_(name),
        files_(files),
        package_(nix_agent_package(profile.agent.kind, profile.agent.package)) {}

  std::string run() const {
    std::string out =
        nix_comment("vm.nix - the machine " + name_) +
        "\n#\n"
        "# Nothing in it belongs to one VM: agentvm gives each VM its own workspace, network and identity "
        "when it starts it.\n" +
        arguments() + "\n{\n" + fmt::format("  networking.hostName = {};\n\n", nix_string(name_)) + machine() +
        file_systems() + packages() + agent();
    // The last part's empty line.
    out.pop_back();
    return out + "}\n";
  }

 private:
  /// Only what is used below, as nixfmt (RFC 166) has it.
  std::string arguments() const {
    const bool inputs = package_ && package_->input != "nixpkgs";
    const bool pkgs = package_ || !profile_.guest.packages.empty();
    if (inputs && pkgs) return "{\n  inputs,\n  lib,\n  pkgs,\n  ...\n}:";
    return fmt::format("{{ {}lib, {}... }}:", inputs ? "inputs, " : "", pkgs ? "pkgs, " : "");
  }

  std::string machine() const {
    return fmt::format(
               "  microvm = {{\n"
               "    # Of microvm.nix alone; agentvm boots it with either. A module may say \"qemu\".\n"
               "    hypervisor = lib.mkDefault \"cloud-hypervisor\";\n"
               "    vcpu = {};\n"
               "    mem = {}; # MiB\n\n",
               profile_.machine.vcpus, mebibytes(profile_.machine.memory_bytes)) +
           shares() + store() + interfaces() +
           "    # cloud-hypervisor's vsock is a unix socket on the host, so VMs may share a CID.\n"
           "    vsock.cid = 3;\n"
           "  };\n\n";
  }

  std::string shares() const {
    const bool read_only = profile_.workspace.mode == WorkspaceMode::read_only;
    std::string out = "    shares = [\n";
    if (profile_.store.share != StoreShare::closure) {
      out +=
          "      # The host's store, whole and read-only: there is no image to build, and every VM reads the same "
          "pages.\n"
          "      {\n"
          "        tag = \"ro-store\";\n"
          "        proto = \"virtiofs\";\n"
          "        source = \"/nix/store\";\n"
          "        mountPoint = \"/nix/.ro-store\";\n"
          "        readOnly = true;\n"
          "      }\n";
    }
    out += fmt::format(
        "      # The project: `workspace` where the VM is started, a directory or a link to one (virtiofsd refuses to "
        "share\n"
        "      # a link itself; with the dot it is given the directory).\n"
        "      {{\n"
        "        tag = \"workspace\";\n"
        "        proto = \"virtiofs\";\n"
        "        source = \"workspace/.\";\n"
        "        mountPoint = {};\n"
        "{}"
        "      }}\n"
        "    ];\n\n",
        nix_string(profile_.workspace.mount), read_only ? "        readOnly = true;\n" : "");
    return out;
  }

  std::string store() const {
    std::string out;
    if (profile_.store.share == StoreShare::closure) {
      out +=
          "    # Only what the machine needs, as a disk. With these flags mkfs.erofs comes from the binary cache; "
          "others\n"
          "    # make microvm.nix compile one of its own.\n"
          "    storeOnDisk = true;\n"
          "    storeDiskErofsFlags = [\n"
          "      \"-zlz4hc\"\n"
          "      \"-Ededupe\"\n"
          "    ];\n\n";
    }
    if (profile_.store.writable) {
      out +=
          "    # What `nix build` adds inside goes to memory and is gone with the VM.\n"
          "    writableStoreOverlay = \"/nix/.rw-store\";\n\n";
    }
    return out;
  }

  std::string interfaces() const {
    const EgressChoice egress = profile_.network.egress;
    if (egress == EgressChoice::proxy || egress == EgressChoice::none) {
      return "    # No network card: what the agent may reach comes over vsock.\n"
             "    interfaces = [ ];\n\n";
    }
    std::string id = ("vm-" + name_).substr(0, longest_interface);
    while (id.back() == '-') id.pop_back();
    const std::uint64_t hash = fnv1a(name_);
    // 02: locally administered, one address (IEEE 802).
    const std::string mac = fmt::format("02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", hash >> 32 & 0xff, hash >> 24 & 0xff,
                                        hash >> 16 & 0xff, hash >> 8 & 0xff, hash & 0xff);
    return fmt::format(
        "    # For microvm.nix alone, made of the machine's name: a second VM at the same time needs others.\n"
        "    interfaces = [\n"
        "      {{\n"
        "        type = \"tap\";\n"
        "        id = {};\n"
        "        mac = {};\n"
        "      }}\n"
        "    ];\n\n",
        nix_string(id), nix_string(mac));
  }

  std::string file_systems() const {
    const auto memory = [this](std::string_view path) {
      return fmt::format(
          "  fileSystems.{} = {{\n"
          "    device = \"tmpfs\";\n"
          "    fsType = \"tmpfs\";\n"
          "    options = [\n"
          "      \"mode=0755\"\n"
          "      \"size={}M\"\n"
          "    ];\n"
          "    neededForBoot = true;\n"
          "  }};\n\n",
          nix_string(path), mebibytes(profile_.machine.disk_bytes));
    };
    std::string out = "  # Everything but the workspace is in memory and thrown away.\n" + memory("/");
    if (profile_.store.writable) out += memory("/nix/.rw-store");
    return out;
  }

  std::string packages() const {
    std::vector<std::string> out;
    for (const std::string& package : profile_.guest.packages) out.push_back("pkgs." + nix_attribute_path(package));
    return out.empty() ? "" : fmt::format("  environment.systemPackages = {};\n\n", nix_list(out, 2));
  }

  std::string package_expression() const {
    if (package_->input == "nixpkgs") return "pkgs." + nix_attribute_path(package_->attribute);
    return fmt::format("inputs.{}.packages.${{pkgs.stdenv.hostPlatform.system}}.{}", package_->input,
                       nix_attribute_path(package_->attribute));
  }

  std::string agent() const {
    std::string out = fmt::format(
        "  # agentvm.nixosModules.guest\n"
        "  agentvm = {{\n"
        "    user = {};\n"
        "    workspace = {};\n",
        nix_string(profile_.guest.user), nix_string(profile_.workspace.mount));
    if (package_) {
      out += fmt::format("    agent.package = {};\n", package_expression());
    } else if (profile_.agent.kind != AgentKind::command) {
      out += "    # The agent's program comes from the host.\n";
    }
    if (!profile_.agent.env.empty()) {
      out += fmt::format("    agent.environment = {};\n", nix_string_set(profile_.agent.env, 4));
    }
    if (files_.codex_config) out += "    codex.config = ./codex.toml;\n";
    if (files_.agents_md) {
      out += "    agentsMd = ./AGENTS.md;\n";
      const std::string_view place = guidance_place(profile_.agent.kind);
      if (place != guidance_place(AgentKind::codex))
        out += fmt::format("    agent.guidance = {};\n", nix_string(place));
    }
    return out + "  };\n\n";
  }

  const Profile& profile_;
  const std::string& name_;
  const VmFiles& files_;
  std::optional<NixPackage> package_;
};

}  // namespace

std::string render_vm_nix(const Profile& profile, const std::string& name, const VmFiles& files) {
  return VmText(profile, name, files).run();
}

}  // namespace agentvm::vmspec
