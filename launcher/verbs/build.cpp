// build.cpp - agentvm build: has Nix build what a profile's VMs boot, and the devShell they work in.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/held_directory.hpp"
#include "launcher/host/programs.hpp"
#include "launcher/nix/nix_image.hpp"
#include "launcher/run/definition_files.hpp"
#include "launcher/run/devshell.hpp"
#include "launcher/run/guest.hpp"
#include "launcher/run/plan.hpp"
#include "launcher/run/progress.hpp"
#include "launcher/run/workspace_check.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

namespace {

std::string build_devshell_here(const HeldDirectory& workspace, bool again, const Context& context,
                                const std::function<void(std::string_view line)>& progress) {
  vmspec::HostFacts facts;
  facts.programs = host::find_tools(context.roots.cache);
  look_for_devshell(workspace, context.roots, facts, again);
  if (!facts.devshell) {
    throw Error("guest.devshell: " + facts.devshell_refusal.reason, facts.devshell_refusal.hint,
                ExitCode::cannot_start);
  }
  return build_devshell(workspace, facts, context.roots, progress, again).gc_root;
}

}  // namespace

int build(const BuildOptions& options, const Context& context) {
  const HeldDirectory here = HeldDirectory::resolve(".");
  host::keep_to_startable(context.roots, workspace_here(context.roots));
  const vmspec::Profile profile =
      load_profile(options.profile, here, options.overrides,
                   options.trust_workspace ? WorkspaceTrust::trusted : WorkspaceTrust::narrow_only);
  Progress progress(options.quiet);
  const auto show = [&progress](std::string_view line) { progress.step(std::string(line)); };
  std::vector<std::string> built;
  const bool devshell = profile.guest.devshell;
  // The host's own system needs no build.
  if (profile.guest.source != vmspec::GuestSource::host && !profile.guest.image.empty()) {
    built.push_back(choose_guest(profile, context.roots).nix->gc_root);
  } else if (!devshell || profile.guest.source != vmspec::GuestSource::host) {
    built.push_back(image::build_nix_image(make_image_definition(profile), context.roots.cache,
                                           {.update = options.update, .progress = show})
                        .root);
  }
  if (devshell)
    built.push_back(build_devshell_here(check_workspace(".", context.roots), options.update, context, show));
  progress.clear();
  for (const std::string& root : built) print(root + "\n");
  return 0;
}

}  // namespace agentvm::commands
