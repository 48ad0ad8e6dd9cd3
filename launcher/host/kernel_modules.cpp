// kernel_modules.cpp - finds modules and what they depend on, without kmod.
#include "launcher/host/kernel_modules.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::image {

namespace {

struct Wanted {
  const char* name;
  bool required;
  std::optional<LinkDevice> only = {};  // nullopt: for all guests
};

/// In the order to load: the bus, the links, the shares, then what only makes the guest nicer. Each one costs about
/// 20 ms under emulation, so no guest gets another one's.
constexpr Wanted wanted[] = {
    {"virtio_pci", true},
    {"virtio_console", true, LinkDevice::virtio_serial},
    {"vmw_vsock_virtio_transport", true, LinkDevice::vsock},
    {"virtiofs", true},
    {"button", false},
    {"evdev", false},
    {"virtio_rng", false},
    {"overlay", false},
    {"pvpanic_pci", false, LinkDevice::vsock},  // cloud-hypervisor reports a panic that it is told of
};

/// "kernel/drivers/virtio/virtio-pci.ko.xz" -> "virtio_pci": the kernel takes - and _ for the same.
std::string module_name(std::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1));
  name.resize(std::min(name.size(), name.find(".ko")));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

bool exists(const std::string& path) noexcept {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

/// The modules of one kernel, by name.
class Index {
 public:
  explicit Index(const std::string& directory) : directory_(directory) {
    std::istringstream builtin(read_file_if_exists(directory + "/modules.builtin").value_or(""));
    for (std::string line; std::getline(builtin, line);) builtin_.insert(module_name(line));
    if (const auto dependencies = read_file_if_exists(directory + "/modules.dep")) {
      read_dependencies(*dependencies);
    } else {
      std::istringstream order(read_file(directory + "/modules.order"));
      for (std::string line; std::getline(order, line);) paths_.emplace(module_name(line), line);
    }
  }

  bool is_builtin(const std::string& name) const { return builtin_.count(name) > 0; }

  /// The module's file as it is on the disk, packed or not; nullopt: there is no such module.
  std::optional<std::string> file(const std::string& name) const {
    const auto found = paths_.find(name);
    if (found == paths_.end()) return std::nullopt;
    // modules.order names a module as it was built, before distributions pack it.
    for (const char* packing : {"", ".xz", ".zst", ".gz"}) {
      if (exists(directory_ + "/" + found->second + packing)) return found->second + packing;
    }
    return std::nullopt;
  }

  std::vector<std::string> dependencies(const std::string& name, const std::string& file) const {
    if (const auto known = dependencies_.find(name); known != dependencies_.end()) return known->second;
    if (!file.ends_with(".ko")) {
      throw Error("what the packed module " + directory_ + "/" + file + " depends on is not known",
                  "Run depmod for this kernel (package kmod): depmod -b ROOT VERSION.");
    }
    return module_dependencies(read_file(directory_ + "/" + file));
  }

 private:
  void read_dependencies(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const auto colon = line.find(':');
      if (colon == std::string::npos) continue;
      const std::string path = line.substr(0, colon);
      const std::string name = module_name(path);
      paths_.emplace(name, path);
      std::istringstream rest(line.substr(colon + 1));
      auto& needs = dependencies_[name];
      for (std::string other; rest >> other;) needs.push_back(module_name(other));
      // depmod lists the nearest dependency first; the farthest one has to be loaded first.
      std::reverse(needs.begin(), needs.end());
    }
  }

  std::string directory_;
  std::set<std::string> builtin_;
  std::map<std::string, std::string> paths_;
  std::map<std::string, std::vector<std::string>> dependencies_;
};

}  // namespace

std::vector<std::string> needed_modules(const std::string& directory, const GuestDevices& devices) {
  const Index index(directory);
  std::vector<std::string> order;
  std::set<std::string> seen;
  const std::function<bool(const std::string&)> load = [&](const std::string& name) {
    if (index.is_builtin(name) || !seen.insert(name).second) return true;
    const auto file = index.file(name);
    if (!file) return false;
    for (const std::string& other : index.dependencies(name, *file)) {
      if (!load(other))
        throw Error("the module " + name + " of " + directory + " needs " + other + ", which is missing");
    }
    order.push_back(*file);
    return true;
  };
  std::vector<Wanted> names(std::begin(wanted), std::end(wanted));
  if (devices.network) names.push_back({"virtio_net", true, std::nullopt});
  if (devices.balloon) names.push_back({"virtio_balloon", false, std::nullopt});
  for (const auto& [name, required, only] : names) {
    if (only.value_or(devices.links) != devices.links) continue;
    if (!load(name) && required) {
      throw Error("the kernel of " + directory + " has no " + name + ", neither built in nor as a module",
                  "Use a distribution's generic or cloud kernel, or name another one with AGENTVM_KERNEL.");
    }
  }
  return order;
}

std::vector<std::string> module_index_files(const std::string& directory) {
  return {directory + "/modules.builtin", directory + "/modules.dep", directory + "/modules.order"};
}

std::string missing_module(const std::string& directory) {
  std::string known;
  for (const std::string& path : module_index_files(directory)) known += read_file_if_exists(path).value_or("");
  if (known.empty()) throw Error("its modules (" + directory + ") are not there");
  std::replace(known.begin(), known.end(), '-', '_');
  for (const auto& [name, required, only] : wanted) {
    if (only == LinkDevice::vsock) continue;
    if (required && known.find("/" + std::string(name) + ".ko") == std::string::npos) return name;
  }
  return {};
}

std::vector<std::string> module_dependencies(std::string_view module) {
  constexpr std::string_view key = "depends=";
  std::vector<std::string> names;
  // Strings of .modinfo end with NUL, so one that begins there follows one.
  std::size_t found = module.find(key);
  while (found != std::string_view::npos && (found == 0 || module[found - 1] != '\0')) {
    found = module.find(key, found + 1);
  }
  if (found == std::string_view::npos) return names;
  const std::string_view rest = module.substr(found + key.size());
  std::istringstream list{std::string(rest.substr(0, rest.find('\0')))};
  for (std::string name; std::getline(list, name, ',');) {
    if (!name.empty()) names.push_back(module_name(name));
  }
  return names;
}

std::string_view without_signature(std::string_view module) noexcept {
  constexpr std::string_view magic = "~Module signature appended~\n";
  // struct module_signature (include/linux/module_signature.h): its last field is the signature's length, big-endian.
  constexpr std::size_t description = 12;
  constexpr std::size_t trailer = description + magic.size();
  if (module.size() < trailer || !module.ends_with(magic)) return module;
  std::size_t length = 0;
  for (const char byte : module.substr(module.size() - magic.size() - 4, 4)) {
    length = length << 8 | static_cast<unsigned char>(byte);
  }
  if (length > module.size() - trailer) return module;
  return module.substr(0, module.size() - trailer - length);
}

bool takes_unsigned_modules(const std::string& directory) {
  const std::filesystem::path modules(directory);
  const std::string root = modules.parent_path().parent_path().parent_path();
  std::string config;
  for (const std::string& path : {root + "/boot/config-" + modules.filename().string(), directory + "/config"}) {
    try {
      config = read_file_if_exists(path).value_or("");
    } catch (const Error&) {
      continue;  // not for us to read: the signatures stay
    }
    if (!config.empty()) break;
  }
  return config.find("# CONFIG_MODULE_SIG_FORCE is not set") != std::string::npos ||
         config.find("# CONFIG_MODULE_SIG is not set") != std::string::npos;
}

}  // namespace agentvm::image
