// setup_test.cpp - the files of one VM, made in an ordinary directory.
#include "guest/setup.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/unit/guest/temporary_directory.hpp"

namespace agentvm::guest {

namespace {

FileEntry entry_of_us(std::string path) {
  return {.path = std::move(path), .uid = geteuid(), .gid = getegid()};
}

}  // namespace

TEST_CASE("a file is made with its parents and mode and bytes") {
  const TemporaryDirectory root;
  FileEntry entry = entry_of_us(root.path() + "/home/agent/.codex/config.toml");
  entry.content = std::string("a\0b", 3);
  entry.mode = 0600;
  make_entry(entry);
  CHECK(read_file(entry.path) == entry.content);
  struct stat info {};
  REQUIRE(stat(entry.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  REQUIRE(stat((root.path() + "/home/agent").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0755);
}

TEST_CASE("what stands at the path is replaced and never written through") {
  const TemporaryDirectory root;
  const std::string victim = root.path() + "/victim";
  write_file_atomic(victim, "untouched");
  FileEntry entry = entry_of_us(root.path() + "/file");
  REQUIRE(symlink(victim.c_str(), entry.path.c_str()) == 0);
  entry.content = "new";
  make_entry(entry);
  CHECK(read_file(victim) == "untouched");
  CHECK(read_file(entry.path) == "new");
  entry.content = "newer";
  make_entry(entry);
  CHECK(read_file(entry.path) == "newer");
}

TEST_CASE("symlinks and directories are made and directories may be there already") {
  const TemporaryDirectory root;
  FileEntry link = entry_of_us(root.path() + "/a/link");
  link.target = "../elsewhere";
  make_entry(link);
  char text[64] = {};
  REQUIRE(readlink(link.path.c_str(), text, sizeof text) > 0);
  CHECK(std::string(text) == "../elsewhere");

  FileEntry directory = entry_of_us(root.path() + "/a/private");
  directory.directory = true;
  directory.mode = 0700;
  make_entry(directory);
  directory.mode = 0750;
  make_entry(directory);
  struct stat info {};
  REQUIRE(stat(directory.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0750);
}

TEST_CASE("a share that another init has mounted is known by its place and its tag") {
  const std::string shown =
      "22 1 0:20 / / rw - rootfs rootfs rw\n"
      "31 22 0:30 / /workspace rw,relatime shared:7 - virtiofs workspace rw\n"
      "32 22 0:31 / /other rw - virtiofs tools rw\n"
      "33 22 0:32 / /disk rw - ext4 /dev/vda rw\n"
      "34 22 0:33 / /a\\040b rw - virtiofs spaced rw";
  CHECK(is_mounted(shown, {"spaced", "/a b"}));
  CHECK(is_mounted(shown, {"workspace", "/workspace"}));
  CHECK(is_mounted(shown, {"tools", "/other"}));
  CHECK_FALSE(is_mounted(shown, {"workspace", "/other"}));
  CHECK_FALSE(is_mounted(shown, {"tools", "/workspace"}));
  CHECK_FALSE(is_mounted(shown, {"work", "/workspace"}));
  CHECK_FALSE(is_mounted(shown, {"workspace", "/"}));
  CHECK_FALSE(is_mounted(shown, {"/dev/vda", "/disk"}));
  CHECK_FALSE(is_mounted("1 2 3", {"a", "/"}));
  CHECK_FALSE(is_mounted("", {"a", "/"}));
}

TEST_CASE("a directory where a file should be is an error that names it") {
  const TemporaryDirectory root;
  FileEntry directory = entry_of_us(root.path() + "/taken");
  directory.directory = true;
  make_entry(directory);
  FileEntry file = entry_of_us(root.path() + "/taken");
  CHECK_THROWS_WITH_AS(make_entry(file), ("replacing " + file.path + ": Is a directory").c_str(), Error);
}

TEST_CASE("uptime goes forward") {
  const auto first = uptime_ms();
  CHECK(first > 0);
  CHECK(uptime_ms() >= first);
}

TEST_CASE("the clock is set forward always and back only by a time that is not an old one") {
  constexpr std::int64_t host = 1'790'000'000'000;
  CHECK(clock_is_wrong(host - 1, host, 0));
  CHECK(clock_is_wrong(host - 1, host, host));
  CHECK_FALSE(clock_is_wrong(host, host, 0));
  CHECK_FALSE(clock_is_wrong(host + 15, host, 0));
  CHECK(clock_is_wrong(host + 400, host, host));
  CHECK(clock_is_wrong(host + 99'000, host, 0));
  CHECK(clock_is_wrong(host + 99'000, host, host + 1'000));
  // The time was taken before the boot, and the machine's own clock says so.
  CHECK_FALSE(clock_is_wrong(host + 99'000, host, host + 98'000));
  CHECK(clock_is_wrong(host + 99'000, host, host + 9'000));
}

}  // namespace agentvm::guest
