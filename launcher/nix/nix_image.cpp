// nix_image.cpp - builds Nix guests, finds them again, lets them go.
#include "launcher/nix/nix_image.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/image/fingerprint.hpp"
#include "launcher/nix/build_lock.hpp"
#include "launcher/nix/nix_program.hpp"

namespace agentvm::image {

namespace {

namespace fs = std::filesystem;

/// Part of every key: raised when the same definition would be built in another way.
constexpr char build_version[] = "agentvm nix image 1";
constexpr std::size_t max_lock = std::size_t{1} << 20;

/// Where everything of one definition lies.
struct Places {
  explicit Places(const vmspec::Definition& definition, const std::string& cache_dir)
      : roots(cache_dir + "/nix/roots"), own(cache_dir + "/nix/" + definition.name) {}
  std::string roots;
  std::string own;
  std::string lock_file() const { return own + "/flake.lock"; }
  std::string work() const { return own + "/definition"; }
  std::string log() const { return own + "/build.log"; }
};

std::string key_of(const vmspec::Definition& definition, const std::string& lock) {
  Fingerprint fingerprint;
  fingerprint.line(build_version);
  for (const vmspec::DefinitionFile& file : definition.files) {
    fingerprint.line(file.name);
    fingerprint.line(file.content);
  }
  fingerprint.line(lock);
  return fingerprint.hex();
}

/// What the root of this key leads to; nullopt when there is none, or it leads nowhere (a store that was cleaned by
/// hand).
std::optional<NixImage> read_root(const Places& places, const std::string& key) {
  const std::string root = places.roots + "/" + key;
  const auto text = read_file_if_exists(root + "/manifest.json", max_manifest);
  if (!text) return std::nullopt;
  // Noted as used: the link itself, as what it leads to is the store's, and after it the profile (nix_profiles.cpp).
  const timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  utimensat(AT_FDCWD, root.c_str(), now, AT_SYMLINK_NOFOLLOW);
  utimensat(AT_FDCWD, places.own.c_str(), now, AT_SYMLINK_NOFOLLOW);
  try {
    return NixImage{root, parse_nix_manifest(*text)};
  } catch (const Error& error) {
    throw error.wrap(root);
  }
}

/// With the inputs it is locked to, unless they are to be locked anew.
void write_definition(const vmspec::Definition& definition, const Places& places, bool update) {
  if (const std::string left = remove_tree(places.work()); !left.empty()) throw Error(left);
  for (const vmspec::DefinitionFile& file : definition.files) {
    const std::string path = places.work() + "/" + file.name;
    make_directories(path.substr(0, path.rfind('/')));
    write_file_atomic(path, file.content, 0644);
  }
  if (update) return;
  if (const auto lock = read_file_if_exists(places.lock_file(), max_lock)) {
    write_file_atomic(places.work() + "/flake.lock", *lock, 0644);
  }
}

void check_in_store(const std::string& path, const std::string& store) {
  std::error_code failed;
  const fs::path real = fs::canonical(path, failed);
  if (failed) {
    throw Error("the Nix guest needs " + path + ", which cannot be found: " + failed.message(),
                "`nix-store --verify --check-contents --repair` mends a store that was cleaned by hand.");
  }
  const fs::path root = fs::canonical(store, failed);
  const auto parts = std::mismatch(root.begin(), root.end(), real.begin(), real.end());
  if (failed || parts.first != root.end()) {
    throw Error("the Nix guest needs " + path + ", which leads out of the store, to " + real.string(),
                "A module of the profile may have made this link; `agentvm definition` shows what is built.");
  }
}

}  // namespace

std::optional<NixImage> find_nix_image(const vmspec::Definition& definition, const std::string& cache_dir) {
  const Places places(definition, cache_dir);
  const auto lock = read_file_if_exists(places.lock_file(), max_lock);
  if (!lock) return std::nullopt;
  return read_root(places, key_of(definition, *lock));
}

NixImage given_nix_image(const std::string& path, const std::string& store) {
  check_in_store(path, store);
  const auto text = read_file_if_exists(path + "/manifest.json", max_manifest);
  if (!text) throw Error(path + " has no manifest.json", "lib.mkGuest of agentvm's flake makes such a directory.");
  try {
    return NixImage{path, parse_nix_manifest(*text)};
  } catch (const Error& error) {
    throw error.wrap(path);
  }
}

NixImage build_nix_image(const vmspec::Definition& definition, const std::string& cache_dir,
                         const NixBuildOptions& options) {
  if (!options.update) {
    if (auto found = find_nix_image(definition, cache_dir)) return *std::move(found);
  }
  const Places places(definition, cache_dir);
  make_directories(places.roots);
  const std::string lock_path = places.own + "/lock";
  if (options.progress && FileLock::is_held(lock_path))
    options.progress("another agentvm is already building this; waiting");
  const FileLock held = lock_build(lock_path);
  // Another process may have been faster.
  if (!options.update) {
    if (auto found = find_nix_image(definition, cache_dir)) return *std::move(found);
  }

  const std::string what = "the guest of the profile '" + definition.name + "' could not be built";
  const std::string flake = "path:" + places.work();
  NixProgram nix(places.log(), options.progress);
  write_definition(definition, places, options.update);
  nix.run(what, {"flake", "lock", flake});
  const std::string lock = read_file(places.work() + "/flake.lock", max_lock);
  const std::string key = key_of(definition, lock);
  const std::string root = places.roots + "/" + key;
  auto image = read_root(places, key);
  if (!image) {
    nix.run(what, {"build", flake, "--no-update-lock-file", "--print-build-logs", "--out-link", root});
    image = read_root(places, key);
    if (!image) throw Error(what + ": " + root + " has no manifest.json", "All that Nix said: " + places.log());
  }
  // Only now: what was built before stays found until then.
  write_file_atomic(places.lock_file(), lock, 0600);
  return *std::move(image);
}

std::string nix_store() {
  const char* given = std::getenv("NIX_STORE_DIR");
  return given != nullptr && given[0] == '/' ? given : "/nix/store";
}

vmspec::NixGuest nix_guest(const NixImage& image, const std::string& store) {
  const NixManifest& manifest = image.manifest;
  const auto here = [&store](const std::string& path) {
    std::string place = store + path.substr(std::string("/nix/store").size());
    check_in_store(place, store);
    return place;
  };
  vmspec::NixGuest guest;
  guest.built = true;
  guest.gc_root = image.root;
  guest.kernel_image = here(manifest.kernel_image);
  if (manifest.kernel_elf) guest.kernel_elf = here(*manifest.kernel_elf);
  guest.kernel_version = manifest.kernel_version;
  guest.initrd = here(manifest.initrd);
  guest.kernel_params = manifest.kernel_params;
  const bool has_init = std::any_of(guest.kernel_params.begin(), guest.kernel_params.end(),
                                    [](const std::string& word) { return word.starts_with("init="); });
  if (!has_init) guest.kernel_params.push_back("init=" + manifest.init);
  if (manifest.store_disk) {
    guest.store_disk = here(*manifest.store_disk);
  } else {
    guest.store = store;
  }
  guest.user = manifest.user;
  guest.uid = manifest.uid;
  guest.gid = manifest.gid;
  guest.home = manifest.home;
  guest.workspace = manifest.workspace;
  guest.agent = manifest.agent;
  guest.shell = manifest.shell;
  guest.path = manifest.path;
  return guest;
}

std::vector<std::string> prune_nix_images(const std::string& cache_dir, std::chrono::hours age, bool dry_run,
                                          const std::set<std::string>& used) {
  struct Root {
    std::string path;
    std::time_t used;
    bool leads_somewhere;
  };
  std::vector<Root> roots;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(cache_dir + "/nix/roots", ignored)) {
    struct stat link {};
    struct stat target {};
    const std::string path = entry.path();
    if (lstat(path.c_str(), &link) < 0 || !S_ISLNK(link.st_mode)) continue;
    roots.push_back({path, link.st_mtime, stat(path.c_str(), &target) == 0});
  }
  std::sort(roots.begin(), roots.end(), [](const Root& a, const Root& b) { return a.used > b.used; });
  const std::time_t oldest = std::time(nullptr) - std::chrono::duration_cast<std::chrono::seconds>(age).count();
  std::vector<std::string> removed;
  bool newest = true;
  for (const Root& root : roots) {
    const bool keep = root.leads_somewhere && (newest || root.used >= oldest || used.contains(root.path));
    if (root.leads_somewhere) newest = false;
    if (keep) continue;
    if (dry_run || unlink(root.path.c_str()) == 0) removed.push_back(root.path);
  }
  return removed;
}

}  // namespace agentvm::image
