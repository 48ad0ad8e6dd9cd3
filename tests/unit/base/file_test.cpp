// file_test.cpp - whole files, trees and locks.
#include "base/file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"

using namespace agentvm;

namespace {
struct TemporaryDirectory {
  std::string path = "/tmp/agentvm-file-test-XXXXXX";
  TemporaryDirectory() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~TemporaryDirectory() { remove_tree(path); }
};
}  // namespace

TEST_SUITE("base/file") {
  TEST_CASE("a written file reads back with its mode and no temporary stays") {
    const TemporaryDirectory directory;
    const std::string path = directory.path + "/f";
    write_file_atomic(path, "one", 0640);
    write_file_atomic(path, "two", 0640);
    CHECK(read_file(path) == "two");
    struct stat info {};
    REQUIRE(stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0640);
    REQUIRE(unlink(path.c_str()) == 0);
    CHECK(rmdir(directory.path.c_str()) == 0);
    make_directories(directory.path);
  }

  TEST_CASE("errors name the path") {
    CHECK_THROWS_WITH_AS(read_file("/nonexistent/x"), "opening /nonexistent/x: No such file or directory", Error);
    CHECK_FALSE(read_file_if_exists("/nonexistent/x").has_value());
    CHECK_THROWS_AS(read_file("/tmp"), Error);
    const TemporaryDirectory directory;
    write_file_atomic(directory.path + "/long", std::string(100, 'x'));
    CHECK_THROWS_AS(read_file(directory.path + "/long", 99), Error);
    CHECK(read_file(directory.path + "/long", 100).size() == 100);
  }

  TEST_CASE("a tree goes with its closed directories and links while what a link points to stays") {
    const TemporaryDirectory directory;
    const std::string outside = directory.path + "/outside";
    const std::string tree = directory.path + "/tree";
    make_directories(outside);
    write_file_atomic(outside + "/kept", "kept");
    make_directories(tree + "/a/b/c");
    write_file_atomic(tree + "/a/b/c/file", "x");
    REQUIRE(symlink(outside.c_str(), (tree + "/a/link").c_str()) == 0);
    REQUIRE(chmod((tree + "/a/b").c_str(), 0) == 0);
    CHECK(remove_tree(tree).empty());
    CHECK(access(tree.c_str(), F_OK) != 0);
    CHECK(read_file(outside + "/kept") == "kept");
    CHECK(remove_tree(tree).empty());
  }

  TEST_CASE("a lock has one holder") {
    const TemporaryDirectory directory;
    const std::string path = directory.path + "/lock";
    CHECK_FALSE(FileLock::is_held(path));
    {
      const auto lock = FileLock::try_acquire(path);
      REQUIRE(lock.has_value());
      CHECK(FileLock::is_held(path));
      CHECK_FALSE(FileLock::try_acquire(path).has_value());
    }
    CHECK_FALSE(FileLock::is_held(path));
  }
}
