// nix_profiles.hpp - what lies beside the GC roots: one directory for each profile that was built with Nix.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace agentvm::image {

/// Removes the directories CACHE/nix/NAME (nix_image.hpp) of profiles that nobody built or looked up for `age`, with
/// the inputs they are locked to: the next build takes the newest. Never one whose lock is held, nor one that a GC root
/// which is still there may have been built in; those in `removed` count as gone (for `dry_run`). Returns the
/// directories removed, or with `dry_run` those it would remove.
std::vector<std::string> prune_nix_profiles(const std::string& cache_dir, std::chrono::hours age, bool dry_run,
                                            const std::vector<std::string>& removed);

}  // namespace agentvm::image
