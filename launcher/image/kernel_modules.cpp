// kernel_modules.cpp - reads modules.dep.
#include "launcher/image/kernel_modules.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::image {

namespace {

struct Wanted {
  const char* name;
  bool required;
};

/// In the order to load: the bus, the links, the shares, then what only makes the guest nicer.
constexpr Wanted wanted[] = {
    {"virtio_pci", true}, {"virtio_console", true}, {"virtiofs", true}, {"virtio_rng", false},
    {"overlay", false},   {"button", false},        {"evdev", false},   {"vmw_vsock_virtio_transport", false},
};

/// "kernel/drivers/virtio/virtio-pci.ko.xz" -> "virtio_pci": the kernel takes - and _ for the same.
std::string module_name(std::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1));
  name.resize(std::min(name.size(), name.find(".ko")));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace

std::vector<std::string> needed_modules(const std::string& directory) {
  std::set<std::string> builtin;
  std::istringstream builtin_lines(read_file_if_exists(directory + "/modules.builtin").value_or(""));
  for (std::string line; std::getline(builtin_lines, line);) builtin.insert(module_name(line));

  struct Module {
    std::string path;
    std::vector<std::string> dependencies;  // paths
  };
  std::map<std::string, Module> modules;
  std::istringstream lines(read_file(directory + "/modules.dep"));
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    Module module{line.substr(0, colon), {}};
    std::istringstream rest(line.substr(colon + 1));
    for (std::string path; rest >> path;) module.dependencies.push_back(path);
    modules.emplace(module_name(module.path), std::move(module));
  }

  std::vector<std::string> order;
  std::set<std::string> seen;
  const std::function<void(const std::string&)> load = [&](const std::string& name) {
    if (!seen.insert(name).second) return;
    const auto found = modules.find(name);
    if (found == modules.end()) return;
    for (const std::string& path : found->second.dependencies) load(module_name(path));
    order.push_back(found->second.path);
  };
  for (const auto& [name, required] : wanted) {
    if (builtin.count(name) > 0) continue;
    if (required && modules.count(name) == 0) {
      throw Error("the kernel of " + directory + " has no " + name + ", neither built in nor as a module",
                  "Use a distribution's generic or cloud kernel, or name another one with AGENTVM_KERNEL.");
    }
    load(name);
  }
  return order;
}

}  // namespace agentvm::image
