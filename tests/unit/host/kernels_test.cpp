// kernels_test.cpp - which kernels are found, in which order, and why others are passed over.
#include "launcher/host/kernels.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/file.hpp"

using namespace agentvm;
using namespace agentvm::host;

namespace {

struct Cache {
  std::string path = "/tmp/agentvm-kernels-test-XXXXXX";
  Cache() {
    unsetenv("AGENTVM_KERNEL");
    unsetenv("AGENTVM_MODULES");
    REQUIRE(mkdtemp(path.data()) != nullptr);
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache() {
    unsetenv("AGENTVM_KERNEL");
    unsetenv("AGENTVM_MODULES");
    remove_tree(path);
  }
  std::string add(const std::string& version, const std::string& builtin) const {
    const std::string root = path + "/kernel/" + version;
    make_directories(root + "/boot");
    make_directories(root + "/lib/modules/" + version);
    write_file_atomic(root + "/boot/vmlinuz-" + version, "kernel");
    write_file_atomic(root + "/lib/modules/" + version + "/modules.builtin", builtin);
    return root;
  }
};

constexpr char complete[] = "k/virtio_pci.ko\nk/virtio_console.ko\nk/virtiofs.ko\n";

}  // namespace

TEST_CASE("the cache's newest kernel comes first by version and not by letters") {
  const Cache cache;
  cache.add("6.1.0-9", complete);
  cache.add("6.1.0-56", complete);
  const auto found = find_kernels(cache.path);
  REQUIRE(found.size() >= 2);
  CHECK(found[0].version == "6.1.0-56");
  CHECK(found[0].image == cache.path + "/kernel/6.1.0-56/boot/vmlinuz-6.1.0-56");
  CHECK(found[0].modules == cache.path + "/kernel/6.1.0-56/lib/modules/6.1.0-56");
  CHECK(found[1].version == "6.1.0-9");
}

TEST_CASE("the one named in the environment goes before all") {
  const Cache cache;
  cache.add("6.1.0-56", complete);
  const std::string root = cache.add("5.10.0-1", complete);
  setenv("AGENTVM_KERNEL", (root + "/boot/vmlinuz-5.10.0-1").c_str(), 1);
  setenv("AGENTVM_MODULES", (root + "/lib/modules/5.10.0-1/").c_str(), 1);
  const auto found = find_kernels(cache.path);
  REQUIRE(!found.empty());
  CHECK(found[0].version == "5.10.0-1");
  CHECK(found[0].modules == root + "/lib/modules/5.10.0-1");
}

TEST_CASE("a kernel that cannot serve is passed over with the reason") {
  const Cache cache;
  const std::string root = cache.add("6.1.0-1", "k/virtio_pci.ko\nk/virtio_console.ko\n");
  const auto search = search_kernels(cache.path);
  bool said = false;
  for (const auto& kernel : search.skipped) {
    if (kernel.path == root + "/boot/vmlinuz-6.1.0-1") said = kernel.reason.find("it has no virtiofs") == 0;
  }
  CHECK(said);
  for (const auto& kernel : search.found) CHECK(kernel.version != "6.1.0-1");
}
