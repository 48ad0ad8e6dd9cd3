// nix_manifest_test.cpp - what a manifest must be, field by field.
#include "launcher/nix/nix_manifest.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/nix/fake_nix.hpp"

namespace agentvm::image {

namespace {

using test::has;

nlohmann::json right() {
  return nlohmann::json::parse(testing::some_manifest());
}

/// What is said about a manifest in which one field is another value.
std::string said_of(const std::string& pointer, const nlohmann::json& value) {
  nlohmann::json json = right();
  json[nlohmann::json::json_pointer(pointer)] = value;
  try {
    parse_nix_manifest(json.dump());
  } catch (const Error& error) {
    return error.what();
  }
  return "was taken";
}

}  // namespace

TEST_CASE("a manifest is read whole") {
  const NixManifest manifest = parse_nix_manifest(testing::some_manifest());
  CHECK(manifest.name == "rust");
  CHECK(manifest.kernel_elf == "/nix/store/k-dev/vmlinux");
  CHECK(manifest.kernel_params == std::vector<std::string>{"console=hvc0", "init=/nix/store/s/init"});
  CHECK_FALSE(manifest.store_disk);
  CHECK(manifest.store_writable);
  CHECK(manifest.user == "agent");
  CHECK(manifest.agent == "/nix/store/c/bin/codex");
  nlohmann::json disk = right();
  disk["store"] = {{"kind", "disk"}, {"disk", "/nix/store/d"}, {"writable", false}};
  disk["tools"]["agent"] = nullptr;
  CHECK(parse_nix_manifest(disk.dump()).store_disk == "/nix/store/d");
  CHECK_FALSE(parse_nix_manifest(disk.dump()).agent);
}

TEST_CASE("every field must be there") {
  const nlohmann::json flat = right().flatten();
  for (const auto& item : flat.items()) {
    const std::string pointer = item.key();
    if (pointer == "/tools/sudo" || pointer == "/store/disk" || pointer.starts_with("/kernel_params/")) continue;
    CAPTURE(pointer);
    nlohmann::json json = right();
    json = json.patch({{{"op", "remove"}, {"path", pointer}}});
    CHECK_THROWS_AS(parse_nix_manifest(json.dump()), Error);
  }
}

TEST_CASE("a wrong field is named with its rule") {
  CHECK(has(said_of("/kernel/image", "/boot/vmlinuz"), "kernel.image must be a path in /nix/store"));
  CHECK(has(said_of("/kernel/image", "/nix/store/../../etc/shadow"), "kernel.image must be an absolute path without"));
  CHECK(has(said_of("/kernel/elf", 7), "kernel.elf must be a string"));
  CHECK(has(said_of("/initrd", "/nix/store/"), "initrd must be a path in /nix/store"));
  CHECK(has(said_of("/init", "/nix/store/a\nb"), "init must be one line"));
  CHECK(has(said_of("/name", std::string(5000, 'x')), "name must be one line"));
  CHECK(has(said_of("/kernel_params", "quiet"), "kernel_params must be a list"));
  CHECK(has(said_of("/kernel_params/0", "a b"), "kernel_params must be words"));
  CHECK(has(said_of("/kernel_params/0", std::string(1600, 'x')), "at most 1536 bytes"));
  CHECK(has(said_of("/store/kind", "nfs"), "store.kind must be share or disk"));
  CHECK(has(said_of("/store/kind", "disk"), "store.disk must be a string"));
  CHECK(has(said_of("/store/writable", "yes"), "store.writable must be true or false"));
  CHECK(has(said_of("/user/uid", 0), "user.uid must be a number from 1"));
  CHECK(has(said_of("/user/uid", -1), "user.uid must be a number from 1"));
  CHECK(has(said_of("/user/gid", 65534), "user.gid must be a number from 1"));
  CHECK(has(said_of("/user", "agent"), "user must be an object"));
  CHECK(has(said_of("/workspace", "workspace"), "workspace must be an absolute path"));
  CHECK(has(said_of("/version", 2), "another version of agentvm"));
  CHECK(has(said_of("/version", "1"), "another version of agentvm"));
}

TEST_CASE("what is no manifest at all is refused") {
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"), std::string("null"),
                                  std::string(100000, '['), std::string(max_manifest + 1, ' ')}) {
    CHECK_THROWS_AS(parse_nix_manifest(text), Error);
  }
}

}  // namespace agentvm::image
