// cloud_hypervisor_test.cpp - the requests' names and types, what is in them, and what must never be.
#include "vmspec/render/cloud_hypervisor.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/vmspec/support.hpp"
#include "vmspec/render/kernel_cmdline.hpp"

namespace agentvm::vmspec {

namespace {

using nlohmann::json;

VmSpec cloud_spec() {
  std::vector<Problem> problems;
  VmSpec spec = make_vm_spec(testing::builtin("default"), testing::debian_host(), testing::some_run(), problems);
  spec.hypervisor = HypervisorKind::cloud_hypervisor;
  return spec;
}

CloudHypervisorPaths cloud_paths(const VmSpec& spec) {
  CloudHypervisorPaths paths{"/r", "/r/console.fifo", "/r/vsock", {}};
  for (std::size_t i = 0; i < spec.shares.size(); ++i)
    paths.share_sockets.push_back("/r/fs" + std::to_string(i) + ".sock");
  return paths;
}

/// What of `value` the table (data/cloud-hypervisor-fields.json) does not know, in words; "" when it knows all.
std::string unknown(const json& table, const json& type, const json& value, const std::string& path) {
  if (type.is_array()) {
    if (!value.is_array()) return path + " is no array";
    for (const json& item : value) {
      if (std::string found = unknown(table, type.front(), item, path + "[]"); !found.empty()) return found;
    }
    return {};
  }
  if (type == "string") return value.is_string() ? "" : path + " is no string";
  if (type == "integer") return value.is_number_unsigned() ? "" : path + " is no whole number";
  if (type == "boolean") return value.is_boolean() ? "" : path + " is neither true nor false";
  if (type == "ImageType") return value == "Raw" ? "" : path + " is no image type";
  if (type == "ConsoleMode") return value == "File" || value == "Off" ? "" : path + " is no console mode";
  const json& fields = table.at(type.get<std::string>());
  if (!value.is_object()) return path + " is no object";
  for (const auto& [name, field] : value.items()) {
    if (!fields.contains(name)) return path + "." + name + " is unknown";
    if (std::string found = unknown(table, fields.at(name), field, path + "." + name); !found.empty()) return found;
  }
  return {};
}

}  // namespace

TEST_CASE("requests to cloud-hypervisor have its names and types") {
  const json table = json::parse(testing::data_file("cloud-hypervisor-fields.json"));
  VmSpec spec = cloud_spec();
  spec.image.store_disk = "/nix/store/d";
  spec.gives_memory_back = true;
  auto paths = cloud_paths(spec);
  paths.tap = "av-app";
  paths.mac = "02:00:00:00:00:01";
  const json created = render_vm_create(spec, paths, kernel_cmdline(spec), {.landlock = true});
  CHECK(created["net"] == json::parse(R"([{"tap": "av-app", "mac": "02:00:00:00:00:01"}])"));
  CHECK(created["balloon"] == json({{"size", 0}, {"deflate_on_oom", true}, {"free_page_reporting", true}}));
  CHECK(unknown(table, "VmConfig", created, "vm.create") == "");
  CHECK(unknown(table, "FsConfig", render_add_share(spec.shares.front(), "/r/fs0.sock"), "vm.add-fs") == "");
  CHECK(unknown(table, "VmRemoveDevice", render_remove_share("late"), "vm.remove-device") == "");
  // The check itself: a wrong name and a wrong type are seen.
  json wrong = created;
  wrong["cpus"]["vcpus"] = 1;
  CHECK(unknown(table, "VmConfig", wrong, "vm.create") == "vm.create.cpus.vcpus is unknown");
  wrong = created;
  wrong["fs"][0]["queue_size"] = "1024";
  CHECK(unknown(table, "VmConfig", wrong, "vm.create") == "vm.create.fs[].queue_size is no whole number");
}

TEST_CASE("a cloud-hypervisor guest's memory is shared and its links are a vsock and it runs no guests of its own") {
  const VmSpec spec = cloud_spec();
  const json body = render_vm_create(spec, cloud_paths(spec), kernel_cmdline(spec), {});
  CHECK(body["memory"] == json({{"size", spec.memory_bytes}, {"shared", true}, {"thp", true}}));
  CHECK(body["vsock"] == json({{"cid", 3}, {"socket", "/r/vsock"}}));
  CHECK(body["cpus"]["nested"] == false);
  CHECK(body["fs"].size() == spec.shares.size());
  CHECK(test::has(body["payload"]["cmdline"].get<std::string>(), "agentvm.transport=vsock "));
  for (const char* absent : {"landlock_enable", "landlock_rules", "net", "disks", "balloon", "devices", "tpm"})
    CHECK_FALSE(body.contains(absent));
}

TEST_CASE("the store's disk is read-only and raw whatever it begins with") {
  VmSpec spec = cloud_spec();
  spec.image.store_disk = "/nix/store/d";
  const json body = render_vm_create(spec, cloud_paths(spec), kernel_cmdline(spec), {.landlock = true});
  CHECK(body["disks"] == json::parse(R"([{"path": "/nix/store/d", "readonly": true, "image_type": "Raw"}])"));
  CHECK(body["landlock_rules"].size() == 1);  // cloud-hypervisor allows itself the files of its disks
}

TEST_CASE("Landlock leaves what a tap's queues are counted by") {
  const VmSpec spec = cloud_spec();
  auto paths = cloud_paths(spec);
  CHECK(render_vm_create(spec, paths, "", {.landlock = true})["landlock_rules"] ==
        json::parse(R"([{"path": "/r", "access": "rw"}])"));
  paths.tap = "av-app";
  CHECK(render_vm_create(spec, paths, "", {.landlock = true})["landlock_rules"] ==
        json::parse(R"([{"path": "/r", "access": "rw"},
                        {"path": "/sys/class/net/av-app/tun_flags", "access": "r"}])"));
}

TEST_CASE("sockets and shares of a cloud-hypervisor request must be as many") {
  const VmSpec spec = cloud_spec();
  auto paths = cloud_paths(spec);
  paths.share_sockets.pop_back();
  CHECK_THROWS_AS(render_vm_create(spec, paths, "", {}), Error);
}

TEST_CASE("a share is added and removed by the same name") {
  const ShareSpec late{.tag = "late", .source = "/s", .mount_point = "/m"};
  CHECK(
      render_add_share(late, "/r/x.sock") ==
      json({{"id", "share-late"}, {"tag", "late"}, {"socket", "/r/x.sock"}, {"num_queues", 1}, {"queue_size", 1024}}));
  CHECK(render_remove_share("late") == json({{"id", "share-late"}}));
}

}  // namespace agentvm::vmspec
