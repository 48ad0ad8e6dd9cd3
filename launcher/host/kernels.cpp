// kernels.cpp - looks for kernels where they are usually put.
#include "launcher/host/kernels.hpp"

#include <fmt/format.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/error.hpp"
#include "launcher/host/kernel_modules.hpp"
#include "launcher/host/tool_caches.hpp"

namespace agentvm::host {

namespace {

namespace fs = std::filesystem;

/// One clause, or "" when the modules are there.
std::string missing_modules(const std::string& directory) {
  try {
    const std::string missing = image::missing_module(directory);
    return missing.empty() ? "" : "it has no " + missing + ", neither built in nor as a module";
  } catch (const Error& error) {
    return error.what();
  }
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) names.push_back(entry.path().filename());
  // Newest version first: 6.1.0-56 after 6.1.0-9 (strverscmp(3)).
  std::sort(names.begin(), names.end(),
            [](const auto& a, const auto& b) { return strverscmp(a.c_str(), b.c_str()) > 0; });
  return names;
}

class Search {
 public:
  void consider(const std::string& image, const std::string& version, const std::string& modules) {
    if (access(image.c_str(), F_OK) < 0 || !seen_.insert(image).second) return;
    std::string reason;
    if (access(image.c_str(), R_OK) < 0) {
      reason = "it is readable for root only (sudo chmod a+r " + image + ")";
    } else {
      reason = missing_modules(modules);
    }
    if (reason.empty()) {
      result.found.push_back({image, version, modules});
    } else {
      result.skipped.push_back({image, reason});
    }
  }

  /// A directory with boot/vmlinuz-V and lib/modules/V, or usr/lib/modules/V.
  void consider_tree(const std::string& root, const std::string& version) {
    for (const char* lib : {"/lib/modules/", "/usr/lib/modules/"}) {
      if (access((root + lib + version).c_str(), F_OK) == 0) {
        consider(root + "/boot/vmlinuz-" + version, version, root + lib + version);
        return;
      }
    }
    consider(root + "/boot/vmlinuz-" + version, version, root + "/lib/modules/" + version);
  }

  KernelSearch result;

 private:
  std::set<std::string> seen_;
};

void add_from_environment(Search& search) {
  const char* image = std::getenv("AGENTVM_KERNEL");
  if (image == nullptr || *image == '\0') return;
  const char* modules = std::getenv("AGENTVM_MODULES");
  const std::string name = fs::path(image).filename();
  std::string version = name.find('-') == std::string::npos ? name : name.substr(name.find('-') + 1);
  std::string directory = "/lib/modules/" + version;
  if (modules != nullptr && *modules != '\0') {
    directory = modules;
    while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
    version = fs::path(directory).filename();
  }
  search.consider(image, version, directory);
}

}  // namespace

KernelSearch search_kernels(const std::string& cache_dir) {
  Search search;
  add_from_environment(search);
  for (const std::string& cache : tool_caches(cache_dir)) {
    for (const std::string& version : names_in(cache + "/kernel")) {
      search.consider_tree(cache + "/kernel/" + version, version);
    }
  }
  utsname running{};
  if (uname(&running) == 0) search.consider_tree("", running.release);
  for (const std::string& name : names_in("/boot")) {
    if (name.starts_with("vmlinuz-")) search.consider_tree("", name.substr(std::string("vmlinuz-").size()));
  }
  return std::move(search.result);
}

std::vector<vmspec::KernelFacts> find_kernels(const std::string& cache_dir) {
  return search_kernels(cache_dir).found;
}

}  // namespace agentvm::host
