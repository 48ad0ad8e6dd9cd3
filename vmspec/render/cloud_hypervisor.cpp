// cloud_hypervisor.cpp - a VmSpec as the bodies of cloud-hypervisor's REST requests.
#include "vmspec/render/cloud_hypervisor.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace agentvm::vmspec {

using nlohmann::json;

namespace {

json shares_of(const VmSpec& spec, const CloudHypervisorPaths& paths) {
  json shares = json::array();
  for (std::size_t i = 0; i < spec.shares.size(); ++i) {
    shares.push_back(render_add_share(spec.shares[i], paths.share_sockets[i]));
  }
  return shares;
}

/// What cloud-hypervisor touches besides the files that the request names, which it allows itself.
json landlock_rules(const CloudHypervisorPaths& paths) {
  // Shares added later, and `vsock_socket`_PORT.
  json rules = json::array({json::object({{"path", paths.directory}, {"access", "rw"}})});
  // Of a tap it allows itself /dev/net/tun, but not this, which it reads to tell how many queues the tap has.
  if (!paths.tap.empty()) rules.push_back({{"path", "/sys/class/net/" + paths.tap + "/tun_flags"}, {"access", "r"}});
  return rules;
}

}  // namespace

json render_vm_create(const VmSpec& spec, const CloudHypervisorPaths& paths, const std::string& kernel_cmdline,
                      const CloudHypervisorFeatures& features) {
  if (paths.share_sockets.size() != spec.shares.size()) {
    throw Error(fmt::format("the machine of {} has {} shares but {} sockets for them", spec.name, spec.shares.size(),
                            paths.share_sockets.size()));
  }
  json body = {
      {"payload", {{"kernel", spec.image.kernel}, {"initramfs", spec.image.initramfs}, {"cmdline", kernel_cmdline}}},
      // nested: a guest that runs guests would talk to the most intricate part of the host's KVM.
      {"cpus", {{"boot_vcpus", spec.vcpus}, {"max_vcpus", spec.vcpus}, {"nested", false}}},
      // Shared with virtiofsd. thp takes effect where the host allows huge pages for shared memory (shmem_enabled).
      {"memory", {{"size", spec.memory_bytes}, {"shared", true}, {"thp", true}}},
      {"fs", shares_of(spec, paths)},
      {"vsock", {{"cid", cloud_hypervisor_cid}, {"socket", paths.vsock_socket}}},
      {"serial", {{"mode", "File"}, {"file", paths.console}}},
      {"console", {{"mode", "Off"}}},
      {"rng", {{"src", "/dev/urandom"}}},
      {"pvpanic", true},
  };
  // image_type: without it cloud-hypervisor guesses by what the image begins with, and stops doing so (deprecated in
  // v52); versions that do not know the field guess.
  if (!spec.image.store_disk.empty()) {
    body["disks"] =
        json::array({json::object({{"path", spec.image.store_disk}, {"readonly", true}, {"image_type", "Raw"}})});
  }
  if (!paths.tap.empty()) body["net"] = json::array({json::object({{"tap", paths.tap}, {"mac", paths.mac}})});
  // Empty: it takes nothing by itself.
  if (spec.gives_memory_back) body["balloon"] = {{"size", 0U}, {"deflate_on_oom", true}, {"free_page_reporting", true}};
  if (features.landlock) {
    body["landlock_enable"] = true;
    body["landlock_rules"] = landlock_rules(paths);
  }
  return body;
}

json render_add_share(const ShareSpec& share, const std::string& socket) {
  return {{"id", share_device_id(share.tag)},
          {"tag", share.tag},
          {"socket", socket},
          {"num_queues", 1U},
          {"queue_size", 1024U}};
}

json render_remove_share(const std::string& tag) {
  return {{"id", share_device_id(tag)}};
}

std::string share_device_id(const std::string& tag) {
  return "share-" + tag;
}

}  // namespace agentvm::vmspec
