// host_image.cpp - puts an initramfs together, once per content.
#include "launcher/image/host_image.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/host/kernel_modules.hpp"
#include "launcher/image/cpio.hpp"
#include "launcher/image/etc_skeleton.hpp"
#include "launcher/image/fingerprint.hpp"

namespace agentvm::image {

namespace {

namespace fs = std::filesystem;

/// Part of every hash: raised when the same inputs would give another archive.
constexpr char format_version[] = "agentvm host image 3";
constexpr char image_name[] = "initramfs.cpio";

std::string images_dir(const std::string& cache_dir) {
  return cache_dir + "/images";
}

/// What the host lends of one of its trees.
struct Lent {
  std::string tree;  ///< on the host
  std::string name;  ///< in the guest, "etc"
  std::vector<EtcEntry> entries;
};

void add_lent(CpioArchive& archive, const Lent& lent) {
  for (const EtcEntry& entry : lent.entries) {
    const std::string name = lent.name + "/" + entry.name;
    if (entry.kind == EtcEntry::Kind::directory) {
      archive.add_directory(name, entry.permissions);
    } else if (entry.kind == EtcEntry::Kind::link) {
      archive.add_link(name, entry.target);
    } else if (const auto content = read_file_if_exists(lent.tree + "/" + entry.name)) {
      archive.add_file(name, entry.permissions, *content);
    }
  }
}

/// The archive, in memory: a few megabytes.
std::string make_archive(const HostImageRequest& request, const std::vector<Lent>& lent) {
  CpioArchive archive;
  // The kernel opens /dev/console for init before anything is mounted; devtmpfs brings the node itself.
  for (const char* directory : {"dev", "proc", "sys", "run", "modules", "etc", "var"})
    archive.add_directory(directory, 0755);
  archive.add_file("init", 0755, read_file(request.agentvm_guest));
  const bool unsigned_modules = takes_unsigned_modules(request.modules);
  std::string list;
  for (const std::string& module : needed_modules(request.modules, request.devices)) {
    const std::string path = "modules/" + module.substr(module.rfind('/') + 1);
    const std::string content = read_file(request.modules + "/" + module);
    archive.add_file(path, 0644, unsigned_modules ? without_signature(content) : content);
    list += "/" + path + "\n";
  }
  archive.add_file("modules.list", 0644, list);
  for (const Lent& tree : lent) add_lent(archive, tree);
  return archive.finish();
}

}  // namespace

std::string build_host_initramfs(const HostImageRequest& request) {
  const std::vector<Lent> lent = {{request.etc, "etc", etc_skeleton(request.etc)},
                                  {request.var, "var", var_skeleton(request.var)}};
  Fingerprint fingerprint;
  fingerprint.line(format_version);
  fingerprint.line(request.devices.network ? "with a network card" : "without a network card");
  fingerprint.line(request.devices.balloon ? "with a balloon" : "without a balloon");
  fingerprint.line(request.devices.links == LinkDevice::vsock ? "vsock" : "virtio-serial");
  fingerprint.file(request.agentvm_guest);
  for (const std::string& index : module_index_files(request.modules)) fingerprint.file(index);
  for (const Lent& tree : lent) {
    for (const EtcEntry& entry : tree.entries) {
      fingerprint.line(fmt::format("{} {}/{} {:o} {}", static_cast<int>(entry.kind), tree.name, entry.name,
                                   entry.permissions, entry.identity));
    }
  }
  const std::string directory = images_dir(request.cache_dir) + "/" + fingerprint.hex();
  std::string path = directory + "/" + image_name;
  // The directory's time of use, for prune_images; a missing one is made below.
  if (access(path.c_str(), R_OK) == 0) {
    utimensat(AT_FDCWD, directory.c_str(), nullptr, 0);
    return path;
  }
  const std::string archive = make_archive(request, lent);
  try {
    make_directories(directory);
    write_file_atomic(path, archive, 0600);
  } catch (const Error& error) {
    rmdir(directory.c_str());  // fails, as it should, when another process has finished the same image
    throw Error(error.what(), "The image is made below " + images_dir(request.cache_dir) +
                                  "; free some space there or set XDG_CACHE_HOME to another disk.");
  }
  return path;
}

std::vector<std::string> prune_images(const std::string& cache_dir, std::chrono::hours age, bool dry_run) {
  struct Candidate {
    std::string path;
    std::time_t used;
  };
  std::vector<Candidate> images;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(images_dir(cache_dir), ignored)) {
    struct stat info {};
    if (stat(entry.path().c_str(), &info) == 0 && S_ISDIR(info.st_mode))
      images.push_back({entry.path(), info.st_mtime});
  }
  std::sort(images.begin(), images.end(), [](const auto& a, const auto& b) { return a.used > b.used; });
  const std::time_t oldest = std::time(nullptr) - std::chrono::duration_cast<std::chrono::seconds>(age).count();
  std::vector<std::string> removed;
  for (std::size_t index = 1; index < images.size(); ++index) {
    if (images[index].used >= oldest) continue;
    if (dry_run || remove_tree(images[index].path).empty()) removed.push_back(images[index].path);
  }
  return removed;
}

}  // namespace agentvm::image
