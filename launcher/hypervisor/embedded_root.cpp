// embedded_root.cpp - qemu.conf and the capabilities cache of the in-process driver.
#include "launcher/hypervisor/embedded_root.hpp"

#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::hypervisor {

namespace {

constexpr std::string_view capabilities = "/cache/qemu/capabilities";

/// No security driver, cgroups, namespaces or log daemon: the VM is QEMU and nothing else, run as the caller. Without
/// the filtered capability libvirt reads the guest CPU's features in one message instead of 400, half of a start's
/// time.
std::string qemu_conf(bool root) {
  std::string text =
      "security_driver = \"none\"\n"
      "cgroup_controllers = []\n"
      "namespaces = []\n"
      "stdio_handler = \"file\"\n"
      "dynamic_ownership = 0\n"
      "remember_owner = 0\n"
      "capability_filters = [ \"cpu-unavailable-features\" ]\n";
  if (root) text += "user = \"root\"\ngroup = \"root\"\n";
  return text;
}

/// Copies the *.xml of one directory to another where the bytes differ.
void copy_documents(const std::string& from, const std::string& to) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(from, error)) {
    if (entry.path().extension() != ".xml" || !entry.is_regular_file(error)) continue;
    const auto text = read_file_if_exists(entry.path());
    if (!text) continue;
    const std::string target = to + "/" + entry.path().filename().string();
    if (read_file_if_exists(target) != text) write_file_atomic(target, *text);
  }
}

}  // namespace

EmbeddedRoot::EmbeddedRoot(std::string root, const std::string& cache_dir)
    : root_(std::move(root)), saved_(cache_dir + "/libvirt/capabilities") {}

void EmbeddedRoot::prepare() const {
  make_directories(root_ + "/etc");
  make_directories(root_ + std::string(capabilities));
  write_file_atomic(root_ + "/etc/qemu.conf", qemu_conf(geteuid() == 0));
  try {
    copy_documents(saved_, root_ + std::string(capabilities));
  } catch (const Error&) {
    // Without them libvirt asks QEMU again: slower, not worse.
  }
}

void EmbeddedRoot::save_capabilities() const noexcept {
  try {
    make_directories(saved_);
    copy_documents(root_ + std::string(capabilities), saved_);
  } catch (const std::exception&) {
    // The next VM asks QEMU again.
  }
}

std::string EmbeddedRoot::pid_file(const std::string& domain_name) const {
  return root_ + "/run/qemu/" + domain_name + ".pid";
}

std::string EmbeddedRoot::uri() const {
  return "qemu:///embed?root=" + root_;
}

}  // namespace agentvm::hypervisor
