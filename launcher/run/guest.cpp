// guest.cpp - decides what a run boots, and has it built.
#include "launcher/run/guest.hpp"

#include <unistd.h>

#include "base/error.hpp"
#include "base/process.hpp"
#include "launcher/nix/nix_image.hpp"
#include "launcher/run/definition_files.hpp"

namespace agentvm::commands {

namespace {

/// The mark of NixOS (nixpkgs, modules/system/etc).
bool on_nixos() {
  return access("/etc/NIXOS", F_OK) == 0;
}

vmspec::NixGuest given_guest(const vmspec::Profile& profile) {
  const std::string store = image::nix_store();
  try {
    return image::nix_guest(image::given_nix_image(profile.guest.image, store), store);
  } catch (const Error& error) {
    throw error.wrap("guest.image");
  }
}

}  // namespace

GuestChoice choose_guest(const vmspec::Profile& profile, const state::Roots& roots) {
  using vmspec::GuestSource;
  const GuestSource source = profile.guest.source;
  const bool automatic = source == GuestSource::automatic;
  if (source != GuestSource::host && !profile.guest.image.empty()) return {.nix = given_guest(profile)};
  if (source == GuestSource::host || (automatic && !find_program("nix"))) return {};
  const auto image = image::find_nix_image(make_image_definition(profile), roots.cache);
  if (image) return {.nix = image::nix_guest(*image, image::nix_store())};
  if (automatic && !on_nixos()) return {.passed_over = true};
  return {.nix = vmspec::unbuilt_nix_guest(profile)};
}

vmspec::NixGuest build_guest(const vmspec::Profile& profile, const state::Roots& roots,
                             const std::function<void(std::string_view line)>& progress) {
  const image::NixImage image =
      image::build_nix_image(make_image_definition(profile), roots.cache, {.progress = progress});
  return image::nix_guest(image, image::nix_store());
}

}  // namespace agentvm::commands
