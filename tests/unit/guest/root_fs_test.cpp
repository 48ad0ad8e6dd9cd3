// root_fs_test.cpp - the tree a guest starts with, built in an ordinary directory.
#include "guest/root_fs.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/unit/guest/temporary_directory.hpp"

namespace agentvm::guest {

namespace {

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

std::string target_of(const std::string& path) {
  char text[256];
  const ssize_t size = readlink(path.c_str(), text, sizeof text);
  REQUIRE(size > 0);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace

TEST_CASE("the skeleton is a usr-merged Linux") {
  const TemporaryDirectory root;
  make_skeleton(root.path());
  CHECK(target_of(root.path() + "/bin") == "usr/bin");
  CHECK(target_of(root.path() + "/lib64") == "usr/lib64");
  CHECK(mode_of(root.path() + "/tmp") == 01777);
  CHECK(mode_of(root.path() + "/var/tmp") == 01777);
  CHECK(mode_of(root.path() + "/root") == 0700);
  CHECK(mode_of(root.path() + "/usr") == 0755);
}

TEST_CASE("a tree is copied with its links and modes") {
  const TemporaryDirectory from;
  const TemporaryDirectory to;
  make_directories(from.path() + "/ssl/certs", 0755);
  write_file_atomic(from.path() + "/ssl/certs/ca.crt", std::string(3'000'000, 'x'), 0644);
  write_file_atomic(from.path() + "/shadow", "", 0640);
  REQUIRE(symlink("ssl/certs", (from.path() + "/certs").c_str()) == 0);
  REQUIRE(symlink("/nowhere", (from.path() + "/dangling").c_str()) == 0);
  REQUIRE(mkfifo((from.path() + "/pipe").c_str(), 0600) == 0);
  copy_tree(from.path(), to.path());
  CHECK(read_file(to.path() + "/certs/ca.crt").size() == 3'000'000);
  CHECK(mode_of(to.path() + "/shadow") == 0640);
  CHECK(target_of(to.path() + "/dangling") == "/nowhere");
  CHECK(access((to.path() + "/pipe").c_str(), F_OK) != 0);
}

TEST_CASE("a copy that cannot be made names the path") {
  const TemporaryDirectory to;
  CHECK_THROWS_WITH_AS(copy_tree("/nonexistent", to.path()),
                       "reading the directory /nonexistent: No such file or directory", Error);
}

}  // namespace agentvm::guest
