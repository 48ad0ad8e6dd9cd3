// libvirt_test.cpp - the domain's XML: escaping, features, and what must never be in it.
#include "vmspec/render/libvirt.hpp"

#include <doctest/doctest.h>

#include <pugixml.hpp>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/vmspec/support.hpp"
#include "vmspec/render/kernel_cmdline.hpp"

namespace agentvm::vmspec {

namespace {

VmSpec some_spec() {
  std::vector<Problem> problems;
  return make_vm_spec(testing::builtin("default"), testing::debian_host(), testing::some_run(), problems);
}

LibvirtPaths some_paths(const VmSpec& spec) {
  LibvirtPaths paths{"/r/console.log", "/r/ctl.sock", "/r/svc.sock", {}};
  for (std::size_t i = 0; i < spec.shares.size(); ++i)
    paths.share_sockets.push_back("/r/fs" + std::to_string(i) + ".sock");
  return paths;
}

pugi::xml_document parse_xml(const std::string& text) {
  pugi::xml_document document;
  REQUIRE(document.load_string(text.c_str()));
  return document;
}

}  // namespace

TEST_CASE("a network card only where there is a tap and the tap stays netd's") {
  const VmSpec spec = some_spec();
  auto paths = some_paths(spec);
  CHECK(render_libvirt_domain(spec, paths, "", {}).find("<interface") == std::string::npos);
  paths.tap = "avm-x-0000";
  paths.mac = "02:00:00:00:00:01";
  const auto document = parse_xml(render_libvirt_domain(spec, paths, "", {}));
  const auto card = document.child("domain").child("devices").child("interface");
  CHECK(std::string(card.attribute("type").value()) == "ethernet");
  CHECK(std::string(card.child("mac").attribute("address").value()) == paths.mac);
  CHECK(std::string(card.child("target").attribute("dev").value()) == paths.tap);
  CHECK(std::string(card.child("target").attribute("managed").value()) == "no");
  CHECK(std::string(card.child("model").attribute("type").value()) == "virtio");
}

TEST_CASE("whatever a path holds stays a path") {
  VmSpec spec = some_spec();
  auto paths = some_paths(spec);
  const std::string evil = "/r/\"/><emulator>/bin/sh</emulator>&<!--";
  paths.console_log = evil;
  paths.share_sockets[0] = evil;
  spec.image.kernel = evil;
  const auto document = parse_xml(render_libvirt_domain(spec, paths, evil, {}));
  const auto domain = document.child("domain");
  CHECK(domain.child("os").child("kernel").text().get() == evil);
  CHECK(domain.child("os").child("cmdline").text().get() == evil);
  const auto devices = domain.child("devices");
  CHECK(std::string(devices.child("serial").child("source").attribute("path").value()) == evil);
  CHECK(std::string(devices.child("filesystem").child("source").attribute("socket").value()) == evil);
  CHECK(std::distance(devices.children("emulator").begin(), devices.children("emulator").end()) == 1);
}

TEST_CASE("KVM and emulation") {
  VmSpec spec = some_spec();
  spec.accelerator = Accelerator::kvm;
  auto document = parse_xml(render_libvirt_domain(spec, some_paths(spec), kernel_cmdline(spec), {}));
  CHECK(std::string(document.child("domain").attribute("type").value()) == "kvm");
  CHECK(std::string(document.child("domain").child("cpu").attribute("mode").value()) == "host-passthrough");
  spec.accelerator = Accelerator::tcg;
  spec.vcpus = 1;
  document = parse_xml(render_libvirt_domain(spec, some_paths(spec), kernel_cmdline(spec), {}));
  CHECK(std::string(document.child("domain").attribute("type").value()) == "qemu");
  const auto cell = document.child("domain").child("cpu").child("numa").child("cell");
  CHECK(std::string(cell.attribute("cpus").value()) == "0");
  CHECK(std::string(cell.attribute("memAccess").value()) == "shared");
}

TEST_CASE("features: a label for QEMU's user and a firmware and spare ports") {
  const VmSpec spec = some_spec();
  const auto plain =
      parse_xml(render_libvirt_domain(spec, some_paths(spec), "", {})).child("domain").child("seclabel").empty();
  CHECK(plain);
  const auto document = parse_xml(render_libvirt_domain(
      spec, some_paths(spec), "",
      {.dac_label = LibvirtFeatures::Label{1001, 1002}, .firmware = "/usr/share/qemu/qboot.rom"}));
  const auto domain = document.child("domain");
  CHECK(std::string(domain.child("seclabel").child("label").text().get()) == "+1001:+1002");
  CHECK(std::string(domain.child("seclabel").attribute("relabel").value()) == "no");
  CHECK(std::string(domain.child("os").child("loader").text().get()) == "/usr/share/qemu/qboot.rom");
  std::size_t ports = 0;
  for (const auto& controller : domain.child("devices").children("controller")) {
    ports += std::string(controller.attribute("model").value()) == "pcie-root-port" ? 1 : 0;
  }
  CHECK(ports == 2);
}

TEST_CASE("a VM that ends is gone and nothing is in it that a guest does not need") {
  const VmSpec spec = some_spec();
  const auto document = parse_xml(render_libvirt_domain(spec, some_paths(spec), "", {}));
  const auto domain = document.child("domain");
  for (const char* end : {"on_poweroff", "on_reboot", "on_crash"})
    CHECK(std::string(domain.child(end).text().get()) == "destroy");
  const auto devices = domain.child("devices");
  for (const char* device : {"video", "graphics", "sound", "interface", "disk", "hostdev"})
    CHECK(devices.child(device).empty());
  CHECK(std::string(devices.child("memballoon").attribute("model").value()) == "none");
}

TEST_CASE("a VM that gives memory back reports its free pages") {
  VmSpec spec = some_spec();
  spec.gives_memory_back = true;
  const auto document = parse_xml(render_libvirt_domain(spec, some_paths(spec), "", {}));
  const auto balloon = document.child("domain").child("devices").child("memballoon");
  CHECK(std::string(balloon.attribute("model").value()) == "virtio");
  CHECK(std::string(balloon.attribute("freePageReporting").value()) == "on");
  CHECK(std::string(balloon.child("address").attribute("bus").value()) == "0x00");
}

TEST_CASE("sockets and shares must be as many") {
  const VmSpec spec = some_spec();
  auto paths = some_paths(spec);
  paths.share_sockets.pop_back();
  CHECK_THROWS_AS(render_libvirt_domain(spec, paths, "", {}), Error);
}

TEST_CASE("a share alone for hot-plugging") {
  CHECK(render_libvirt_share({.tag = "late", .source = "/s", .mount_point = "/m"}, "/r/x.sock") ==
        "<filesystem type=\"mount\">\n"
        "  <driver type=\"virtiofs\" queue=\"1024\" />\n"
        "  <source socket=\"/r/x.sock\" />\n"
        "  <target dir=\"late\" />\n"
        "</filesystem>\n");
}

TEST_CASE("the kernel's command line is what never hung") {
  const std::string line = kernel_cmdline(some_spec());
  for (const char* word : {"console=ttyS0", "panic=-1", "quiet", "8250.nr_uarts=1"}) {
    CHECK((" " + line + " ").find(std::string(" ") + word + " ") != std::string::npos);
  }
}

TEST_CASE("addresses are the same in every process under emulation alone") {
  for (const GuestKind kind : {GuestKind::host, GuestKind::nix}) {
    VmSpec spec = some_spec();
    spec.image.kind = kind;
    spec.accelerator = Accelerator::tcg;
    CHECK(test::has(kernel_cmdline(spec), " norandmaps"));
    spec.accelerator = Accelerator::kvm;
    CHECK_FALSE(test::has(kernel_cmdline(spec), "norandmaps"));
  }
}

}  // namespace agentvm::vmspec
