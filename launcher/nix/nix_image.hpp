// nix_image.hpp - a Nix guest: built once per content of its definition, found again without Nix.
//
// CACHE/nix/roots/KEY            what nix build made: a link to the store, and a GC root
// CACHE/nix/NAME/flake.lock      the inputs a profile was last built with
// CACHE/nix/NAME/definition/     what is being built
// CACHE/nix/NAME/build.log       what Nix said to it
// CACHE/nix/NAME/lock            held by whoever builds
//
// KEY is the SHA-256 of all files of the definition and of the lock file, so a lookup reads two small files and starts
// no process at all.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/nix/nix_manifest.hpp"
#include "vmspec/plan/nix_guest.hpp"
#include "vmspec/render/nix.hpp"

namespace agentvm::image {

struct NixImage {
  std::string root;  ///< the GC root below the cache; it leads to the directory with manifest.json
  NixManifest manifest;
};

/// What has been built of this definition with the inputs it is locked to, if anything. Notes that it was used. Throws
/// Error when what is there cannot be read as a manifest.
std::optional<NixImage> find_nix_image(const vmspec::Definition& definition, const std::string& cache_dir);

/// What somebody else had built (guest.image): `path` is a directory with manifest.json, or a link to one. Starts no
/// process. Throws Error when there is none, or when it lies outside of `store`.
NixImage given_nix_image(const std::string& path, const std::string& store);

struct NixBuildOptions {
  bool update = false;                                       ///< lock the inputs anew
  std::function<void(std::string_view line)> progress = {};  ///< each line that Nix says, without control characters
};

/// Finds it or has Nix build it. Any number of processes may ask at once; one builds. A failed build, or a failed
/// update, leaves what was there before. Throws Error that says what Nix complained about, and where all of it is.
NixImage build_nix_image(const vmspec::Definition& definition, const std::string& cache_dir,
                         const NixBuildOptions& options);

/// Where this host keeps what guests see as /nix/store: $NIX_STORE_DIR, else the same.
std::string nix_store();

/// It as the plan takes it: paths that this host opens lie below `store`, also behind links. A module of the profile
/// writes the manifest and the links in the store, so it could have any file of the user's given to a guest as its
/// initrd. Throws Error when one leads elsewhere, or nowhere.
vmspec::NixGuest nix_guest(const NixImage& image, const std::string& store);

/// Removes GC roots not used for `age`, never the one used last nor one in `used`, and roots that lead nowhere. Returns
/// the links removed (or with `dry_run`, those it would remove). The store itself is Nix's: nix-collect-garbage frees
/// what is left.
std::vector<std::string> prune_nix_images(const std::string& cache_dir, std::chrono::hours age, bool dry_run,
                                          const std::set<std::string>& used = {});

}  // namespace agentvm::image
