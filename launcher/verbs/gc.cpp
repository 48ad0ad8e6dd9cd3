// gc.cpp - agentvm gc: removes what dead VMs have left, and images nobody used lately.
#include <chrono>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/host/network.hpp"
#include "launcher/image/host_image.hpp"
#include "launcher/nix/devshell.hpp"
#include "launcher/nix/nix_image.hpp"
#include "launcher/nix/nix_profiles.hpp"
#include "launcher/state/reservation.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

namespace {

constexpr std::chrono::hours unused_image_age{24 * 30};

class Collector {
 public:
  explicit Collector(const GcOptions& options) : options_(options) {}

  void sweep(const state::VmPaths& paths) {
    if (state::is_alive(paths) || is_kept(paths)) return;
    const state::SweepResult result = state::sweep(paths, options_.dry_run);
    for (const std::string& removed : result.removed) say("'" + paths.name + "': " + removed);
    for (const std::string& failure : result.failed) {
      log_error("'" + paths.name + "': " + failure, {});
      failed_ = true;
    }
  }

  void say(const std::string& what) {
    ++count_;
    if (!options_.quiet) print((options_.dry_run ? "would remove " : "removed ") + what + "\n");
  }

  int finish() const {
    if (count_ == 0 && !failed_ && !options_.quiet) print_error("agentvm: nothing to clean up\n");
    return failed_ ? static_cast<int>(ExitCode::agentvm_failed) : 0;
  }

 private:
  const GcOptions& options_;
  unsigned count_ = 0;
  bool failed_ = false;
};

/// What VMs that live were booted from: a month is not long for one that is kept.
std::set<std::string> roots_in_use(const state::Roots& roots) {
  std::set<std::string> used;
  for (const std::string& name : state::list_vms(roots)) {
    const state::VmPaths paths = state::vm_paths(roots, name);
    if (!state::is_alive(paths)) continue;
    if (const auto spec = read_spec(paths)) used.insert({spec->image.gc_root, spec->image.devshell_root});
  }
  return used;
}

}  // namespace

int gc(const GcOptions& options, const Context& context) {
  Collector collector(options);
  if (!options.vm.empty()) {
    collector.sweep(state::vm_paths(context.roots, options.vm));
    // Taps and rules of a killed agentvm-netd of root's; a running one sees to its own.
    if (!options.dry_run) network::clean_after_netd(host::netd_here());
    return collector.finish();
  }
  for (const std::string& name : state::list_vms(context.roots)) {
    collector.sweep(state::vm_paths(context.roots, name));
  }
  for (const std::string& directory : state::prune_unfinished(context.roots, options.dry_run)) {
    collector.say("directory " + directory);
  }
  if (!options.dry_run) network::clean_after_netd(host::netd_here());
  for (const std::string& image : image::prune_images(context.roots.cache, unused_image_age, options.dry_run)) {
    collector.say("image " + image);
  }
  const std::set<std::string> used = roots_in_use(context.roots);
  const std::vector<std::string> roots =
      image::prune_nix_images(context.roots.cache, unused_image_age, options.dry_run, used);
  for (const std::string& root : roots) collector.say("GC root " + root);
  for (const std::string& directory :
       image::prune_nix_profiles(context.roots.cache, unused_image_age, options.dry_run, roots)) {
    collector.say("locked inputs and build log " + directory);
  }
  for (const std::string& shell :
       devshell::prune_devshells(context.roots.cache, unused_image_age, options.dry_run, used)) {
    collector.say("devShell " + shell);
  }
  return collector.finish();
}

}  // namespace agentvm::commands
