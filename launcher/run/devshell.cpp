// devshell.cpp - decides whether a run can have the workspace's devShell, and has it built.
#include "launcher/run/devshell.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "launcher/nix/devshell.hpp"
#include "launcher/nix/flake_files.hpp"
#include "launcher/nix/nix_image.hpp"

namespace agentvm::commands {

void look_for_devshell(const HeldDirectory& workspace, const state::Roots& roots, vmspec::HostFacts& facts,
                       bool again) {
  if (!devshell::has_flake(workspace)) {
    facts.devshell_refusal = {"the workspace has no flake.nix to take a devShell from",
                              "use guest.devshell = false, or begin one with `nix flake init`"};
    return;
  }
  try {
    facts.devshell = devshell::find_devshell(workspace, roots.cache);
  } catch (const Error& error) {
    facts.devshell_refusal = {error.what(), error.hint()};
    return;
  }
  if (facts.devshell && !again) return;
  facts.devshell.reset();
  if (!find_program("nix")) {
    facts.devshell_refusal = {"there is no `nix` on PATH, which builds the workspace's devShell",
                              "install Nix (nixos.org/download), or use guest.devshell = false"};
  } else if (!facts.programs.contains("bwrap")) {
    facts.devshell_refusal = {"there is no bwrap, and a workspace's flake is evaluated in its sandbox only",
                              "install bubblewrap, or use guest.devshell = false"};
  } else {
    facts.devshell = vmspec::DevShell{.store = image::nix_store()};
  }
}

vmspec::DevShell build_devshell(const HeldDirectory& workspace, const vmspec::HostFacts& facts,
                                const state::Roots& roots, const std::function<void(std::string_view line)>& progress,
                                bool again) {
  progress("building the devShell of " + workspace.path());
  return devshell::build_devshell(workspace, roots.cache,
                                  {.bubblewrap = facts.programs.at("bwrap"), .again = again, .progress = progress});
}

}  // namespace agentvm::commands
