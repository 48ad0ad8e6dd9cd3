// suid_filter_test.cpp - what a program under the filter can and cannot do to files.
#include "launcher/machine/suid_filter.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <string>

#include "base/file.hpp"
#include "base/process.hpp"

using namespace agentvm;

namespace {

/// The exit code of a program under the filter.
int run_filtered(const std::string& program, std::vector<std::string> args) {
  ChildProcess child = spawn({.program = program, .args = std::move(args), .seccomp_filter = workspace::suid_filter()});
  const auto status = child.wait(std::chrono::seconds(10));
  REQUIRE(status);
  return status->shell_code();
}

unsigned mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777U;
}

}  // namespace

TEST_CASE("no setuid or setgid file and no device can be made while everything else can") {
  std::string root = "/tmp/agentvm-filter-test-XXXXXX";
  REQUIRE(mkdtemp(root.data()) != nullptr);
  const std::string file = root + "/file";
  write_file_atomic(file, "text", 0644);
  CHECK(run_filtered("/bin/chmod", {"4755", file}) == 1);
  CHECK(run_filtered("/bin/chmod", {"2755", file}) == 1);
  CHECK(run_filtered("/bin/chmod", {"u+s", file}) == 1);
  CHECK(mode_of(file) == 0644);
  CHECK(run_filtered("/bin/chmod", {"0711", file}) == 0);
  CHECK(mode_of(file) == 0711);
  CHECK(run_filtered("/bin/mkdir", {root + "/directory"}) == 0);
  CHECK(run_filtered("/bin/chmod", {"1777", root + "/directory"}) == 0);
  CHECK(run_filtered("/bin/mknod", {root + "/device", "c", "1", "3"}) == 1);
  CHECK(run_filtered("/bin/mknod", {root + "/disk", "b", "7", "0"}) == 1);
  CHECK(run_filtered("/bin/mknod", {root + "/fifo", "p"}) == 0);
  CHECK(run_filtered("/bin/cp", {file, root + "/copy"}) == 0);
  CHECK(remove_tree(root).empty());
}
