// agents_md.cpp - puts what holds for this machine into templates/AGENTS.md.
#include "vmspec/agents/agents_md.hpp"

#include <fmt/format.h>

#include <string_view>

#include "vmspec/embedded.hpp"

namespace agentvm::vmspec {

namespace {

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

std::string mcp_servers(const AgentsMdInput& input) {
  std::string text;
  for (const std::string& server : input.mcp_servers) {
    if (server == "nixos") {
      text +=
          "* **MCP server `nixos`**: looks up packages, versions and options of nixpkgs, NixOS, Home Manager and "
          "nix-darwin.\n"
          "  It runs outside this machine and sees none of your files; some of its actions are switched off.\n";
    } else {
      text += fmt::format("* **MCP server `{}`**: runs outside this machine and sees none of your files.\n", server);
    }
  }
  return text;
}

std::string_view system(const AgentsMdInput& input) {
  if (input.kind == GuestKind::nix) {
    return input.store_writable
               ? "The system is NixOS: /nix/store and a generated /etc. There\n"
                 "  is no package manager but `nix`; put what you unpack into your home or /tmp."
               : "The system is NixOS: /nix/store and a generated /etc. This machine's\n"
                 "  store is read-only, so `nix` can neither build nor install (\"permission denied\"); put what you "
                 "unpack into your home or /tmp.";
  }
  return input.kernel_modules
             ? "/usr is the host's, read-only: packages cannot be installed there;\n"
               "  put what you build or unpack into your home or /tmp."
             : "/usr is the host's, read-only: packages cannot be installed there;\n"
               "  put what you build or unpack into your home or /tmp. `modprobe` finds no modules: the kernel is not "
               "the host's.";
}

std::string_view network(const AgentsMdInput& input) {
  return input.internet
             ? "public addresses over IPv4, no private ones and none of the host's. What you download is gone\n"
               "  with the machine, unless it lies in the workspace."
             : "there is none, apart from the model you run on and the MCP servers below. Do not try to download: "
               "crates,\n"
               "  wheels, npm packages, Git remotes and package mirrors are out of reach. Work with what is installed, "
               "vendored or cached,\n"
               "  and say what is missing if the task needs it.";
}

std::string_view devshell(const AgentsMdInput& input) {
  return input.devshell ? "The project's own devShell is entered already: its tools are on your PATH and its variables "
                          "are set, so "
                          "`nix develop` is not\nneeded. A change to it takes effect in the next machine.\n\n"
                        : "";
}

std::string_view nix(const AgentsMdInput& input) {
  if (input.kind == GuestKind::host) {
    return "If `nix` is not there, change the files so that they are right\n"
           "and say that they were not evaluated. If it is there, the store is read-only: `nix eval` and\n"
           "`nix flake show` of what is locked and present work, building and fetching do not.";
  }
  if (!input.store_writable) {
    return "`nix eval` and `nix flake show` of what is locked and\n"
           "present work; the store is read-only, so building does not.";
  }
  return input.internet ? "`nix build`, `nix develop` and `nix flake check`\n"
                          "work, and fetch what is missing. What they make lies in memory and is gone with the machine."
                        : "`nix build`, `nix develop` and `nix flake check`\n"
                          "work on what is locked and present; fetching does not. What they make lies in memory and is "
                          "gone with the machine.";
}

}  // namespace

std::string render_agents_md(const AgentsMdInput& input) {
  std::string text = embedded_template("AGENTS.md");
  replace_all(text, "@DEVSHELL@", devshell(input));
  replace_all(text, "@NIX@", nix(input));
  replace_all(text, "@NETWORK@", network(input));
  replace_all(text, "@SYSTEM@", system(input));
  replace_all(text, "@MOUNT@", input.mount);
  replace_all(text, "@USER@", input.user);
  replace_all(text, "@READ_ONLY@", input.read_only ? " (none this time: it is read-only)" : "");
  replace_all(text, "@MCP@", mcp_servers(input));
  return text;
}

}  // namespace agentvm::vmspec
