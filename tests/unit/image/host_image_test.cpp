// host_image_test.cpp - what is in an image, when it is made anew, and how images go.
#include "launcher/image/host_image.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <map>
#include <set>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/image/cpio.hpp"
#include "launcher/image/etc_skeleton.hpp"

using namespace agentvm;
using namespace agentvm::image;

namespace {

struct Host {
  std::string root = "/tmp/agentvm-image-test-XXXXXX";
  std::string etc, var, modules, guest, cache;

  Host() {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    etc = root + "/etc";
    var = root + "/var";
    modules = root + "/lib/modules/1";
    guest = root + "/agentvm-guest";
    cache = root + "/cache";
    make_directories(modules);
    make_directories(etc, 0755);
    write_file_atomic(guest, "guest program", 0755);
    write_file_atomic(modules + "/modules.builtin", "k/virtio_pci.ko\nk/virtio_console.ko\n");
    write_file_atomic(modules + "/virtiofs.ko", std::string("\0depends=\0", 10));
    write_file_atomic(modules + "/modules.order", "virtiofs.ko\n");
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() { remove_tree(root); }

  void put(const std::string& name, const std::string& text, unsigned mode = 0644) const {
    const std::string path = etc + "/" + name;
    make_directories(path.substr(0, path.rfind('/')), 0755);
    write_file_atomic(path, text, mode);
  }
  void link(const std::string& name, const std::string& target) const {
    const std::string path = etc + "/" + name;
    make_directories(path.substr(0, path.rfind('/')), 0755);
    REQUIRE(symlink(target.c_str(), path.c_str()) == 0);
  }
  HostImageRequest request() const {
    return {.modules = modules, .agentvm_guest = guest, .cache_dir = cache, .etc = etc, .var = var};
  }
  std::set<std::string> etc_names() const {
    std::set<std::string> names;
    for (const EtcEntry& entry : etc_skeleton(etc)) names.insert(entry.name);
    return names;
  }
};

struct Entry {
  unsigned mode;
  std::string content;
};

/// Reads the newc format (Documentation/driver-api/early-userspace/buffer-format.rst) back.
std::map<std::string, Entry> entries_of(const std::string& archive) {
  std::map<std::string, Entry> entries;
  std::size_t at = 0;
  const auto field = [&](int index) {
    return static_cast<std::size_t>(
        std::stoul(archive.substr(at + 6 + 8 * static_cast<std::size_t>(index), 8), nullptr, 16));
  };
  const auto aligned = [](std::size_t offset) { return (offset + 3) & ~std::size_t{3}; };
  for (;;) {
    REQUIRE(archive.substr(at, 6) == "070701");
    const std::size_t name_size = field(11);
    const std::size_t size = field(6);
    const std::string name = archive.substr(at + 110, name_size - 1);
    const std::size_t content = aligned(at + 110 + name_size);
    if (name == "TRAILER!!!") return entries;
    REQUIRE(content + size <= archive.size());
    REQUIRE(entries.emplace(name, Entry{static_cast<unsigned>(field(1)), archive.substr(content, size)}).second);
    at = aligned(content + size);
  }
}

}  // namespace

TEST_CASE("a cpio archive is what the kernel reads") {
  CpioArchive archive;
  archive.add_directory("d", 0755);
  archive.add_file("d/file", 0644, "12345");
  archive.add_link("d/link", "../x");
  const std::string bytes = archive.finish();
  CHECK(bytes.substr(0, 112) ==
        "070701000000010000"
        "41ed"
        "0000000000000000"
        "00000001"
        "00000000"
        "00000000"
        "00000000"
        "00000000"
        "00000000"
        "00000000"
        "00000002"
        "00000000"
        "d" +
            std::string(1, '\0'));
  const auto entries = entries_of(bytes);
  CHECK(entries.at("d/file").content == "12345");
  CHECK(entries.at("d/file").mode == (S_IFREG | 0644U));
  CHECK(entries.at("d/link").content == "../x");
  CHECK(S_ISLNK(entries.at("d/link").mode));
}

TEST_CASE(
    "programs of /usr find the parts of /etc and /var that they are made of and no settings that hold passwords") {
  const Host host;
  for (const char* name :
       {"maven/m2.conf", "maven/logging/simplelogger.properties", "maven/settings.xml", "manpath.config",
        "php/8.2/cli/php.ini", "php/8.2/fpm/pool.d/www.conf", "php/8.2/mods-available/pdo.ini", "pip.conf", "wgetrc"}) {
    host.put(name, "text");
  }
  const auto names = host.etc_names();
  for (const char* name : {"maven/m2.conf", "maven/logging/simplelogger.properties", "manpath.config",
                           "php/8.2/cli/php.ini", "php/8.2/mods-available/pdo.ini"}) {
    CHECK_MESSAGE(names.contains(name), name);
  }
  for (const char* name : {"maven/settings.xml", "php/8.2/fpm", "pip.conf", "wgetrc"})
    CHECK_FALSE(names.contains(name));

  make_directories(host.var + "/lib/dpkg/info", 0755);
  make_directories(host.var + "/lib/dpkg/alternatives", 0755);
  write_file_atomic(host.var + "/lib/dpkg/status", "Package: bash\n", 0644);
  write_file_atomic(host.var + "/lib/dpkg/alternatives/awk", "auto\n", 0644);
  write_file_atomic(host.var + "/lib/dpkg/info/bash.list", "/.\n", 0644);
  write_file_atomic(host.var + "/lib/secret", "secret", 0644);
  const auto entries = entries_of(read_file(build_host_initramfs(host.request())));
  CHECK(entries.at("var/lib/dpkg/status").content == "Package: bash\n");
  CHECK(entries.contains("var/lib/dpkg/alternatives/awk"));
  CHECK_FALSE(entries.contains("var/lib/dpkg/info/bash.list"));
  CHECK_FALSE(entries.contains("var/lib/secret"));
}

TEST_CASE("the guest gets the files of the allow-list and no secret and nothing behind a link") {
  const Host host;
  host.put("ssl/certs/ca-certificates.crt", "certificates");
  host.put("ssl/private/key.pem", "secret");
  host.put("ssl/certs/other.pem", "not listed");
  host.put("shadow", "secret", 0644);
  host.put("npmrc", "//registry/:_authToken=secret");
  host.put("services", "readable");
  host.put("rpc", "not for all", 0640);
  host.put("python3.11/sitecustomize.py", "x");
  host.put("perl/private.pm", "not for all", 0600);
  host.link("alternatives/awk", "/usr/bin/mawk");
  host.link("localtime", "/usr/share/zoneinfo/Europe/Athens");
  host.link("ld.so.conf.d", "/etc/shadow");
  CHECK(host.etc_names() == std::set<std::string>{"alternatives", "alternatives/awk", "ld.so.conf.d", "localtime",
                                                  "perl", "python3.11", "python3.11/sitecustomize.py", "services",
                                                  "ssl", "ssl/certs", "ssl/certs/ca-certificates.crt"});
  const auto entries = entries_of(read_file(build_host_initramfs(host.request())));
  CHECK(entries.at("etc/alternatives/awk").content == "/usr/bin/mawk");
  CHECK(entries.at("etc/ld.so.conf.d").content == "/etc/shadow");
  CHECK(S_ISLNK(entries.at("etc/ld.so.conf.d").mode));
}

TEST_CASE("an image holds init and the modules and their order") {
  const Host host;
  const std::string path = build_host_initramfs(host.request());
  const auto entries = entries_of(read_file(path));
  CHECK(entries.at("init").content == "guest program");
  CHECK(entries.at("init").mode == (S_IFREG | 0755U));
  CHECK(entries.at("modules.list").content == "/modules/virtiofs.ko\n");
  CHECK(entries.at("modules/virtiofs.ko").content == std::string("\0depends=\0", 10));
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600U);
}

TEST_CASE("an image is made once and anew when an input changes") {
  const Host host;
  host.put("services", "one");
  const std::string first = build_host_initramfs(host.request());
  struct stat before {};
  REQUIRE(stat(first.c_str(), &before) == 0);
  CHECK(build_host_initramfs(host.request()) == first);
  struct stat after {};
  REQUIRE(stat(first.c_str(), &after) == 0);
  CHECK(after.st_ino == before.st_ino);
  SUBCASE("the guest program") {
    write_file_atomic(host.guest, "another one", 0755);
  }
  SUBCASE("a file of /etc") {
    host.put("services", "two");
  }
  SUBCASE("a link of /etc") {
    host.link("localtime", "/usr/share/zoneinfo/UTC");
  }
  SUBCASE("the modules") {
    write_file_atomic(host.modules + "/modules.order", "virtiofs.ko\nfuse.ko\n");
  }
  CHECK(build_host_initramfs(host.request()) != first);
}

TEST_CASE("many may ask for the same image at once") {
  const Host host;
  std::vector<std::string> paths(8);
  {
    std::vector<std::jthread> threads;
    for (auto& path : paths) {
      threads.emplace_back([&] { path = build_host_initramfs(host.request()); });
    }
  }
  for (const auto& path : paths) CHECK(path == paths.front());
  CHECK(entries_of(read_file(paths.front())).count("init") == 1);
}

TEST_CASE("a missing input is named and nothing is left in the cache") {
  const Host host;
  SUBCASE("the guest program") {
    unlink(host.guest.c_str());
    CHECK_THROWS_WITH_AS(build_host_initramfs(host.request()), doctest::Contains("agentvm-guest"), Error);
  }
  SUBCASE("a module") {
    unlink((host.modules + "/virtiofs.ko").c_str());
    CHECK_THROWS_WITH_AS(build_host_initramfs(host.request()), doctest::Contains("virtiofs"), Error);
  }
  CHECK(access((host.cache + "/images").c_str(), F_OK) < 0);
}

TEST_CASE("old images go and the one used last stays") {
  const Host host;
  const std::string old_image = build_host_initramfs(host.request());
  host.put("services", "new");
  const std::string new_image = build_host_initramfs(host.request());
  const auto directory = [](const std::string& path) { return path.substr(0, path.rfind('/')); };
  const timeval long_ago[2] = {{1'000'000, 0}, {1'000'000, 0}};
  const timeval longer_ago[2] = {{900'000, 0}, {900'000, 0}};
  CHECK(prune_images(host.cache, std::chrono::hours(24), false).empty());
  REQUIRE(utimes(directory(new_image).c_str(), long_ago) == 0);
  REQUIRE(utimes(directory(old_image).c_str(), longer_ago) == 0);
  const std::vector<std::string> gone{directory(old_image)};
  CHECK(prune_images(host.cache, std::chrono::hours(24), true) == gone);
  CHECK(access(old_image.c_str(), F_OK) == 0);
  CHECK(prune_images(host.cache, std::chrono::hours(24), false) == gone);
  CHECK(access(old_image.c_str(), F_OK) < 0);
  CHECK(access(new_image.c_str(), F_OK) == 0);
  CHECK(prune_images(host.root + "/nowhere", std::chrono::hours(1), false).empty());
}
