// cloud_hypervisor_support.cpp - versions, Landlock, logs.
#include "launcher/hypervisor/cloud_hypervisor_support.hpp"

#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/hypervisor/vmm_words.hpp"

namespace agentvm::hypervisor {

namespace {

constexpr int oldest_with_landlock = 41;
/// It asks for LANDLOCK_ACCESS_FS_TRUNCATE (Linux 6.2) and fails where the kernel has less.
constexpr long needed_landlock_abi = 3;
constexpr std::size_t longest_line = 300;
constexpr std::size_t longest_version = 40;

long landlock_abi() noexcept {
  return syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

}  // namespace

vmspec::CloudHypervisorFeatures cloud_hypervisor_features(const nlohmann::json& ping) {
  const auto found = ping.is_object() ? ping.find("version") : ping.end();
  const std::string version =
      found != ping.end() && found->is_string() ? vmm_line(found->get<std::string>(), longest_version) : "";
  int major = 0;  // what is no number, or too large for one, is no version that is known
  std::from_chars(version.data(), version.data() + version.size(), major);
  if (major < oldest_cloud_hypervisor) {
    throw Error(fmt::format("cloud-hypervisor {} is too old; {}.0 or newer is needed",
                            version.empty() ? "of an unknown version" : version, oldest_cloud_hypervisor),
                "Install a newer one, set AGENTVM_CLOUD_HYPERVISOR to it, or use --hypervisor qemu.");
  }
  return {.landlock = major >= oldest_with_landlock && landlock_abi() >= needed_landlock_abi};
}

std::string last_vmm_words(const std::string& log) {
  std::string text;
  try {
    text = read_file_if_exists(log).value_or("");
  } catch (const Error&) {
    return {};  // the message goes without it
  }
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.find("WARN") == std::string::npos) last = line;
  }
  return vmm_line(last, longest_line);
}

}  // namespace agentvm::hypervisor
