// nix_profiles_test.cpp - which profiles' directories go, and that a build survives their going. Nix itself is a fake.
#include "launcher/nix/nix_profiles.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <future>

#include "base/file.hpp"
#include "launcher/nix/build_lock.hpp"
#include "launcher/nix/nix_image.hpp"
#include "tests/unit/nix/fake_nix.hpp"

namespace agentvm::image {

namespace {

using testing::FakeNix;
using testing::some_definition;
using PathList = std::vector<std::string>;

constexpr std::chrono::hours month{24 * 30};

/// A cache with one profile built; its root and directory can be made older.
struct BuiltProfile {
  FakeNix nix;
  std::string root = build_nix_image(some_definition(), nix.cache, {}).root;
  std::string own = nix.cache + "/nix/rust";

  static void set_age(const std::string& path, int days) {
    const timespec times[2] = {{0, UTIME_OMIT}, {std::time(nullptr) - days * 86400, 0}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
  }
  /// As after a lookup so long ago.
  void used(int days) const {
    if (std::filesystem::is_symlink(root)) set_age(root, days);
    set_age(own, days);
  }
  PathList prune(bool dry_run = false, const PathList& removed = {}) const {
    return prune_nix_profiles(nix.cache, month, dry_run, removed);
  }
};

}  // namespace

TEST_CASE("the directory of a profile that nobody used goes once its roots are gone") {
  const BuiltProfile built;
  CHECK(built.prune().empty());
  built.used(31);
  CHECK(built.prune().empty());  // its root may be what was used last
  std::filesystem::remove(built.root);
  built.used(29);
  CHECK(built.prune().empty());
  built.used(31);
  CHECK(built.prune(true) == PathList{built.own});
  CHECK(std::filesystem::exists(built.own + "/flake.lock"));
  CHECK(built.prune() == PathList{built.own});
  CHECK_FALSE(std::filesystem::exists(built.own));
  CHECK(built.prune().empty());
}

TEST_CASE("a root that is about to go counts as gone and another profile's newer one says nothing") {
  const BuiltProfile built;
  vmspec::Definition other = some_definition();
  other.name = "go";
  other.files.front().content = "{ go = true; }\n";
  build_nix_image(other, built.nix.cache, {});
  built.used(31);
  CHECK(built.prune(true).empty());
  CHECK(built.prune(true, {built.root}) == PathList{built.own});
  CHECK(built.prune(false, {built.root}) == PathList{built.own});
  CHECK(std::filesystem::exists(built.nix.cache + "/nix/go/flake.lock"));
}

TEST_CASE("a lookup is a use of the profile") {
  const BuiltProfile built;
  built.used(31);
  CHECK(find_nix_image(some_definition(), built.nix.cache));
  std::filesystem::remove(built.root);
  CHECK(built.prune().empty());
}

TEST_CASE("a directory in which somebody builds stays and so does what is no profile's") {
  const BuiltProfile built;
  std::filesystem::remove(built.root);
  built.used(31);
  {
    const FileLock building = lock_build(built.own + "/lock");
    CHECK(built.prune(true).empty());
    CHECK(built.prune().empty());
  }
  const std::string foreign = built.nix.cache + "/nix/foreign";
  make_directories(foreign + "/lock");
  std::filesystem::create_directory_symlink(built.own, built.nix.cache + "/nix/link");
  BuiltProfile::set_age(foreign, 31);
  BuiltProfile::set_age(built.nix.cache + "/nix/link", 31);
  write_file_atomic(built.nix.cache + "/nix/roots/lock", "");
  BuiltProfile::set_age(built.nix.cache + "/nix/roots", 31);
  CHECK(built.prune() == PathList{built.own});
  CHECK(std::filesystem::exists(foreign));
}

TEST_CASE("what a removal left half done is finished by the next") {
  const BuiltProfile built;
  const std::string half = built.nix.cache + "/nix/.removed-go";
  write_file_atomic((make_directories(half), half + "/flake.lock"), "");
  CHECK(built.prune(true).empty());
  CHECK(std::filesystem::exists(half));
  CHECK(built.prune().empty());
  CHECK_FALSE(std::filesystem::exists(half));
}

TEST_CASE("who waits for a build's lock while its directory is removed gets another one") {
  const FakeNix nix;
  const std::string directory = nix.cache + "/nix/rust";
  auto held = std::make_optional(lock_build(directory + "/lock"));
  auto waiting = std::async(std::launch::async, [&] { return lock_build(directory + "/lock"); });
  // Whether it waits already or not: it must not end with the lock of a file that is gone.
  remove_tree(directory);
  held.reset();
  const FileLock second = waiting.get();
  CHECK(FileLock::is_held(directory + "/lock"));
}

}  // namespace agentvm::image
