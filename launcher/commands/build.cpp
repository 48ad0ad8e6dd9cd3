// build.cpp - agentvm build: has Nix build what a profile's VMs boot.
#include "launcher/commands/definition_files.hpp"
#include "launcher/commands/output.hpp"
#include "launcher/commands/progress.hpp"
#include "launcher/commands/run_plan.hpp"
#include "launcher/commands/verbs.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/image/nix_image.hpp"

namespace agentvm::commands {

int build(const BuildOptions& options, const Context& context) {
  const vmspec::Profile profile =
      load_checked_profile(options.profile, host::real_path("."), options.overrides, options.trust_workspace);
  Progress progress(options.quiet);
  const image::NixImage image = image::build_nix_image(
      make_definition(vmspec::shared_profile(profile)), context.roots.cache,
      {.update = options.update, .progress = [&progress](std::string_view line) { progress.step(std::string(line)); }});
  progress.clear();
  print(image.root + "\n");
  return 0;
}

}  // namespace agentvm::commands
