// kernel_modules_test.cpp - which modules are found, and in which order, from made-up kernels.
#include "launcher/host/kernel_modules.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

using namespace agentvm;
using namespace agentvm::image;

namespace {

/// lib/modules/6.1-test of a kernel, and boot beside it.
struct Kernel {
  std::string root = "/tmp/agentvm-modules-test-XXXXXX";
  std::string modules;

  Kernel() {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    modules = root + "/lib/modules/6.1-test";
    make_directories(modules);
    make_directories(root + "/boot");
    put("modules.builtin", "");
  }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  ~Kernel() { remove_tree(root); }

  void put(const std::string& name, const std::string& text) const {
    const std::string path = modules + "/" + name;
    make_directories(path.substr(0, path.rfind('/')));
    write_file_atomic(path, text);
  }
  /// A file with the one string of .modinfo that counts.
  void module(const std::string& path, const std::string& depends) const {
    put(path,
        "\x7f"
        "ELF" +
            std::string("\0license=GPL\0depends=", 21) + depends + std::string("\0name=x", 7));
  }
};

using Files = std::vector<std::string>;

}  // namespace

TEST_CASE("modules come after what they depend on and are found without depmod") {
  const Kernel kernel;
  kernel.module("kernel/virtio_ring.ko", "");
  kernel.module("kernel/virtio.ko", "virtio_ring");
  kernel.module("kernel/virtio-pci.ko", "virtio,virtio_ring");
  kernel.module("kernel/virtio_console.ko", "virtio");
  kernel.module("kernel/fuse.ko", "");
  kernel.module("kernel/virtiofs.ko", "fuse,virtio");
  kernel.put("modules.order",
             "kernel/virtiofs.ko\nkernel/fuse.ko\nkernel/virtio_console.ko\nkernel/virtio-pci.ko\nkernel/virtio.ko\n"
             "kernel/virtio_ring.ko\n");
  CHECK(needed_modules(kernel.modules) == Files{"kernel/virtio_ring.ko", "kernel/virtio.ko", "kernel/virtio-pci.ko",
                                                "kernel/virtio_console.ko", "kernel/fuse.ko", "kernel/virtiofs.ko"});
  CHECK(missing_module(kernel.modules).empty());
}

TEST_CASE("the card's driver is there for guests with a card and must be") {
  const Kernel kernel;
  kernel.put("modules.builtin", "kernel/virtio_pci.ko\nkernel/virtio_console.ko\nkernel/virtiofs.ko\n");
  kernel.put("modules.order", "");
  CHECK(needed_modules(kernel.modules).empty());
  CHECK_THROWS_WITH_AS(needed_modules(kernel.modules, {.network = true}), doctest::Contains("has no virtio_net"),
                       Error);
  kernel.module("kernel/virtio_net.ko", "net_failover");
  kernel.module("kernel/net_failover.ko", "failover");
  kernel.module("kernel/failover.ko", "");
  kernel.put("modules.order", "kernel/virtio_net.ko\nkernel/net_failover.ko\nkernel/failover.ko\n");
  CHECK(needed_modules(kernel.modules).empty());
  CHECK(needed_modules(kernel.modules, {.network = true}) ==
        Files{"kernel/failover.ko", "kernel/net_failover.ko", "kernel/virtio_net.ko"});
}

TEST_CASE("the balloon's driver is there for guests with a balloon and may lack") {
  const Kernel kernel;
  kernel.put("modules.builtin", "kernel/virtio_pci.ko\nkernel/virtio_console.ko\nkernel/virtiofs.ko\n");
  kernel.put("modules.order", "");
  CHECK(needed_modules(kernel.modules, {.balloon = true}).empty());
  kernel.module("kernel/virtio_balloon.ko", "");
  kernel.put("modules.order", "kernel/virtio_balloon.ko\n");
  CHECK(needed_modules(kernel.modules).empty());
  CHECK(needed_modules(kernel.modules, {.balloon = true}) == Files{"kernel/virtio_balloon.ko"});
}

TEST_CASE("modules.dep is followed from its last entry with packed modules too") {
  const Kernel kernel;
  for (const char* name : {"a/ring.ko.xz", "a/virtio.ko.xz", "a/virtio_pci.ko.xz"}) kernel.put(name, "packed");
  kernel.put("modules.dep",
             "a/virtio_pci.ko.xz: a/virtio.ko.xz a/ring.ko.xz\na/virtio.ko.xz: a/ring.ko.xz\na/ring.ko.xz:\n");
  kernel.put("modules.builtin", "kernel/virtio_console.ko\nkernel/virtiofs.ko\n");
  CHECK(needed_modules(kernel.modules) == Files{"a/ring.ko.xz", "a/virtio.ko.xz", "a/virtio_pci.ko.xz"});
}

TEST_CASE("a guest gets the driver of its own links and not the other one") {
  const Kernel kernel;
  kernel.put("modules.builtin", "kernel/virtio_pci.ko\nkernel/virtiofs.ko\n");
  kernel.module("kernel/virtio_console.ko", "");
  kernel.module("kernel/vsock.ko", "");
  kernel.module("kernel/vmw_vsock_virtio_transport.ko", "vsock");
  kernel.module("kernel/pvpanic-pci.ko", "");
  kernel.put(
      "modules.order",
      "kernel/virtio_console.ko\nkernel/vsock.ko\nkernel/vmw_vsock_virtio_transport.ko\nkernel/pvpanic-pci.ko\n");
  CHECK(needed_modules(kernel.modules, {.links = LinkDevice::virtio_serial}) == Files{"kernel/virtio_console.ko"});
  CHECK(needed_modules(kernel.modules, {.links = LinkDevice::vsock}) ==
        Files{"kernel/vsock.ko", "kernel/vmw_vsock_virtio_transport.ko", "kernel/pvpanic-pci.ko"});
  // A kernel without a vsock serves QEMU's guests.
  kernel.put("modules.order", "kernel/virtio_console.ko\n");
  CHECK(missing_module(kernel.modules).empty());
  CHECK_THROWS_WITH_AS(needed_modules(kernel.modules, {.links = LinkDevice::vsock}),
                       doctest::Contains("has no vmw_vsock_virtio_transport"), Error);
}

TEST_CASE("what is built in is left out even as a dependency") {
  const Kernel kernel;
  kernel.put("modules.builtin", "kernel/virtio.ko\nkernel/virtio_pci.ko\nkernel/virtio_console.ko\n");
  kernel.module("kernel/virtiofs.ko", "fuse,virtio");
  kernel.module("kernel/fuse.ko", "");
  kernel.put("modules.order", "kernel/virtiofs.ko\nkernel/fuse.ko\n");
  CHECK(needed_modules(kernel.modules) == Files{"kernel/fuse.ko", "kernel/virtiofs.ko"});
}

TEST_CASE("a kernel that cannot serve is refused by the module's name") {
  const Kernel kernel;
  kernel.put("modules.builtin", "kernel/virtio_pci.ko\nkernel/virtio_console.ko\n");
  SUBCASE("there is no virtiofs") {
    kernel.put("modules.order", "kernel/fuse.ko\n");
    CHECK(missing_module(kernel.modules) == "virtiofs");
    CHECK_THROWS_WITH_AS(needed_modules(kernel.modules),
                         doctest::Contains("has no virtiofs, neither built in nor as a module"), Error);
  }
  SUBCASE("its dependency is not there") {
    kernel.module("kernel/virtiofs.ko", "fuse");
    kernel.put("modules.order", "kernel/virtiofs.ko\n");
    CHECK_THROWS_WITH_AS(needed_modules(kernel.modules), doctest::Contains("virtiofs of"), Error);
  }
  SUBCASE("it is packed and depmod never ran") {
    kernel.put("kernel/virtiofs.ko.zst", "packed");
    kernel.put("modules.order", "kernel/virtiofs.ko\n");
    CHECK_THROWS_WITH_AS(needed_modules(kernel.modules), doctest::Contains("virtiofs.ko.zst depends on is not known"),
                         Error);
  }
  SUBCASE("there are no modules at all") {
    CHECK_THROWS_AS(missing_module(kernel.root + "/nowhere"), Error);
    CHECK_THROWS_AS(needed_modules(kernel.root + "/nowhere"), Error);
  }
}

TEST_CASE("dependencies are read from the string alone") {
  CHECK(module_dependencies(std::string("x\0depends=a-b,c\0", 16)) == Files{"a_b", "c"});
  CHECK(module_dependencies(std::string("x\0depends=\0", 11)).empty());
  CHECK(module_dependencies("softdepends=a").empty());
  CHECK(module_dependencies("").empty());
}

TEST_CASE("a signature is cut off and nothing else") {
  const std::string magic = "~Module signature appended~\n";
  const std::string description(8, '\2');
  const auto with_length = [&](const std::string& length) {
    return "module" + std::string("SIG") + description + length + magic;
  };
  CHECK(without_signature(with_length(std::string("\0\0\0\3", 4))) == "module");
  CHECK(without_signature("module") == "module");
  CHECK(without_signature(magic) == magic);
  const std::string too_long = with_length(std::string("\0\0\1\0", 4));
  CHECK(without_signature(too_long) == too_long);
}

TEST_CASE("signatures are needed unless the configuration says otherwise") {
  const Kernel kernel;
  CHECK_FALSE(takes_unsigned_modules(kernel.modules));
  write_file_atomic(kernel.root + "/boot/config-6.1-test", "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_FORCE=y\n");
  CHECK_FALSE(takes_unsigned_modules(kernel.modules));
  write_file_atomic(kernel.root + "/boot/config-6.1-test",
                    "CONFIG_MODULE_SIG=y\n# CONFIG_MODULE_SIG_FORCE is not set\n");
  CHECK(takes_unsigned_modules(kernel.modules));
}
