// libvirt.cpp - a VmSpec as the XML of a libvirt domain.
#include "vmspec/render/libvirt.hpp"

#include <fmt/format.h>

#include <pugixml.hpp>
#include <sstream>

#include "base/error.hpp"
#include "base/wire/guest.hpp"

namespace agentvm::vmspec {

namespace {

using Attributes = std::vector<std::pair<const char*, std::string>>;

pugi::xml_node add(pugi::xml_node parent, const char* name, const Attributes& attributes = {}) {
  pugi::xml_node node = parent.append_child(name);
  for (const auto& [key, value] : attributes) node.append_attribute(key).set_value(value.c_str());
  return node;
}

void add_text(pugi::xml_node parent, const char* name, const std::string& text, const Attributes& attributes = {}) {
  add(parent, name, attributes).text().set(text.c_str());
}

std::string serialize(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "  ", pugi::format_indent | pugi::format_no_declaration, pugi::encoding_utf8);
  return out.str();
}

pugi::xml_node add_share(pugi::xml_node parent, const ShareSpec& share, const std::string& socket) {
  pugi::xml_node filesystem = add(parent, "filesystem", {{"type", "mount"}});
  add(filesystem, "driver", {{"type", "virtiofs"}, {"queue", "1024"}});
  add(filesystem, "source", {{"socket", socket}});
  add(filesystem, "target", {{"dir", share.tag}});
  return filesystem;
}

/// Memory is shared with virtiofsd: memfd, and a NUMA cell that says so, without which no share can be hot-plugged.
void add_memory(pugi::xml_node domain, const VmSpec& spec) {
  const std::string kib = std::to_string(spec.memory_bytes >> 10);
  add_text(domain, "memory", kib, {{"unit", "KiB"}});
  add_text(domain, "vcpu", std::to_string(spec.vcpus), {{"placement", "static"}});
  pugi::xml_node backing = add(domain, "memoryBacking");
  add(backing, "source", {{"type", "memfd"}});
  add(backing, "access", {{"mode", "shared"}});
  const bool kvm = spec.accelerator == Accelerator::kvm;
  pugi::xml_node cpu = add(domain, "cpu", {{"mode", kvm ? "host-passthrough" : "maximum"}});
  const std::string cpus = spec.vcpus > 1 ? fmt::format("0-{}", spec.vcpus - 1) : "0";
  add(add(cpu, "numa"), "cell",
      {{"id", "0"}, {"cpus", cpus}, {"memory", kib}, {"unit", "KiB"}, {"memAccess", "shared"}});
}

void add_boot(pugi::xml_node domain, const VmSpec& spec, const std::string& kernel_cmdline,
              const LibvirtFeatures& features) {
  pugi::xml_node os = add(domain, "os");
  add_text(os, "type", "hvm", {{"arch", "x86_64"}, {"machine", "q35"}});
  if (!features.firmware.empty()) add_text(os, "loader", features.firmware, {{"readonly", "yes"}, {"type", "rom"}});
  add_text(os, "kernel", spec.image.kernel);
  add_text(os, "initrd", spec.image.initramfs);
  add_text(os, "cmdline", kernel_cmdline);
  pugi::xml_node machine = add(domain, "features");
  add(machine, "acpi");  // the power button
  add(machine, "apic");
}

/// Only what is plugged in later needs a port. What is there from the start sits on the root complex itself: firmware
/// and kernel look behind every port, and under emulation a dozen of them cost a second or more of the boot.
void add_ports(pugi::xml_node devices, unsigned spare) {
  add(devices, "controller", {{"type", "pci"}, {"index", "0"}, {"model", "pcie-root"}});
  for (unsigned i = 1; i <= spare; ++i) {
    add(devices, "controller", {{"type", "pci"}, {"index", std::to_string(i)}, {"model", "pcie-root-port"}});
  }
  add(devices, "controller", {{"type", "usb"}, {"model", "none"}});
}

/// Slots of pcie.0 in turn. libvirt keeps 0x1 and 0x2 for the ports, and 0x1f is the chipset's.
class Slots {
 public:
  void give(pugi::xml_node device) {
    if (next_ > last) throw Error("a machine has no more than 27 places for shares and other devices");
    add(device, "address",
        {{"type", "pci"},
         {"domain", "0x0000"},
         {"bus", "0x00"},
         {"slot", fmt::format("0x{:02x}", next_++)},
         {"function", "0x0"}});
  }

 private:
  static constexpr unsigned last = 0x1e;
  unsigned next_ = 0x04;
};

void add_channel(pugi::xml_node devices, const char* name, const std::string& socket) {
  pugi::xml_node channel = add(devices, "channel", {{"type", "unix"}});
  add(channel, "source", {{"mode", "connect"}, {"path", socket}});
  add(channel, "target", {{"type", "virtio"}, {"name", name}});
}

pugi::xml_node add_disk(pugi::xml_node devices, const std::string& image) {
  pugi::xml_node disk = add(devices, "disk", {{"type", "file"}, {"device", "disk"}});
  add(disk, "driver", {{"name", "qemu"}, {"type", "raw"}});
  add(disk, "source", {{"file", image}});
  add(disk, "target", {{"dev", "vda"}, {"bus", "virtio"}});
  add(disk, "readonly");
  return disk;
}

/// managed='no': the tap is netd's, and libvirt changes nothing about it.
pugi::xml_node add_card(pugi::xml_node devices, const LibvirtPaths& paths) {
  pugi::xml_node card = add(devices, "interface", {{"type", "ethernet"}});
  add(card, "mac", {{"address", paths.mac}});
  add(card, "target", {{"dev", paths.tap}, {"managed", "no"}});
  add(card, "model", {{"type", "virtio"}});
  return card;
}

void add_devices(pugi::xml_node domain, const VmSpec& spec, const LibvirtPaths& paths) {
  pugi::xml_node devices = add(domain, "devices");
  add_text(devices, "emulator", spec.emulator);
  add_ports(devices, spec.spare_ports);
  Slots slots;
  slots.give(add(devices, "controller", {{"type", "virtio-serial"}, {"index", "0"}}));
  for (std::size_t i = 0; i < spec.shares.size(); ++i) {
    slots.give(add_share(devices, spec.shares[i], paths.share_sockets[i]));
  }
  if (!spec.image.store_disk.empty()) slots.give(add_disk(devices, spec.image.store_disk));
  pugi::xml_node serial = add(devices, "serial", {{"type", "file"}});
  add(serial, "source", {{"path", paths.console_log}, {"append", "on"}});
  add(serial, "target", {{"type", "isa-serial"}, {"port", "0"}});
  add_channel(devices, guest::control_port_name, paths.control_socket);
  add_channel(devices, guest::services_port_name, paths.services_socket);
  add(devices, "input", {{"type", "mouse"}, {"bus", "ps2"}});
  add(devices, "input", {{"type", "keyboard"}, {"bus", "ps2"}});
  if (spec.gives_memory_back)
    slots.give(add(devices, "memballoon", {{"model", "virtio"}, {"freePageReporting", "on"}}));
  else
    add(devices, "memballoon", {{"model", "none"}});
  pugi::xml_node rng = add(devices, "rng", {{"model", "virtio"}});
  add_text(rng, "backend", "/dev/urandom", {{"model", "random"}});
  slots.give(rng);
  if (!paths.tap.empty()) slots.give(add_card(devices, paths));
}

}  // namespace

std::string libvirt_domain_name(const VmSpec& spec) {
  // Embedded, it is the only domain of its root, and the paths of libvirt's sockets have its name in them.
  return spec.connect == "embed" ? "vm" : "agentvm-" + spec.name;
}

std::string render_libvirt_share(const ShareSpec& share, const std::string& socket) {
  pugi::xml_document document;
  add_share(document, share, socket);
  return serialize(document);
}

std::string render_libvirt_domain(const VmSpec& spec, const LibvirtPaths& paths, const std::string& kernel_cmdline,
                                  const LibvirtFeatures& features) {
  if (paths.share_sockets.size() != spec.shares.size()) {
    throw Error(fmt::format("the domain of {} has {} shares but {} sockets for them", spec.name, spec.shares.size(),
                            paths.share_sockets.size()));
  }
  pugi::xml_document document;
  pugi::xml_node domain = document.append_child("domain");
  domain.append_attribute("type").set_value(spec.accelerator == Accelerator::kvm ? "kvm" : "qemu");
  add_text(domain, "name", libvirt_domain_name(spec));
  add_text(domain, "uuid", spec.uuid);
  add_memory(domain, spec);
  add_boot(domain, spec, kernel_cmdline, features);
  add(domain, "clock", {{"offset", "utc"}});
  add_text(domain, "on_poweroff", "destroy");
  add_text(domain, "on_reboot", "destroy");
  add_text(domain, "on_crash", "destroy");
  add_devices(domain, spec, paths);
  if (features.dac_label) {
    // QEMU runs as the owner of the sockets and files it is given; libvirt must not give them to anybody else.
    pugi::xml_node label = add(domain, "seclabel", {{"type", "static"}, {"model", "dac"}, {"relabel", "no"}});
    add_text(label, "label", fmt::format("+{}:+{}", features.dac_label->uid, features.dac_label->gid));
  }
  return serialize(document);
}

}  // namespace agentvm::vmspec
