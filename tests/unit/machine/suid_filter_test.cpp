// suid_filter_test.cpp - what a program under the filter can and cannot do to files.
#include "launcher/machine/suid_filter.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "launcher/machine/share_watch.hpp"

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

TEST_CASE("a directory gets its setgid bit through the listener - a file never") {
  std::string root = "/tmp/agentvm-filter-test-XXXXXX";
  REQUIRE(mkdtemp(root.data()) != nullptr);
  make_directories(root + "/directory", 0755);
  write_file_atomic(root + "/file", "text", 0755);
  auto [ours, theirs] = socket_pair();
  int words[2];
  REQUIRE(pipe2(words, O_CLOEXEC) == 0);
  const UniqueFd words_write(words[1]);
  // As virtiofsd does it: an O_PATH descriptor, named below /proc/self/fd.
  const std::string script = R"(
import os, sys
fds = os.open("/proc/self/fd", os.O_RDONLY)
for name, mode in (("directory", 0o2775), ("file", 0o2755), ("directory", 0o6775)):
    fd = os.open(sys.argv[1] + "/" + name, os.O_PATH)
    try:
        os.chmod(str(fd), mode, dir_fd=fds)
        print("done", file=sys.stderr, flush=True)
    except PermissionError:
        print("refused", file=sys.stderr, flush=True)
)";
  const std::string log = root + "/log";
  ChildProcess child = spawn({.program = "/usr/bin/env",
                              .args = {"python3", "-c", script, root},
                              .stderr_fd = words_write.get(),
                              .seccomp_filter = workspace::suid_filter(),
                              .seccomp_listener_to = theirs.get()});
  theirs.reset();
  Received listeners = receive_with_fds(ours.get());
  REQUIRE(listeners.fds.size() == 1);
  {
    const workspace::ShareWatch watch(UniqueFd{words[0]},
                                      UniqueFd(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)),
                                      std::move(listeners.fds.front()));
    const auto status = child.wait(std::chrono::seconds(20));
    REQUIRE(status);
    CHECK(status->shell_code() == 0);
  }
  CHECK(read_file(log) == "done\nrefused\nrefused\n");
  CHECK(mode_of(root + "/directory") == 02775);
  CHECK(mode_of(root + "/file") == 0755);
  CHECK(remove_tree(root).empty());
}

TEST_CASE("the words of a share's server fill its log up to a limit") {
  std::string root = "/tmp/agentvm-filter-test-XXXXXX";
  REQUIRE(mkdtemp(root.data()) != nullptr);
  const std::string log = root + "/log";
  int words[2];
  REQUIRE(pipe2(words, O_CLOEXEC) == 0);
  {
    UniqueFd write_end(words[1]);
    const workspace::ShareWatch watch(UniqueFd{words[0]},
                                      UniqueFd(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)), {});
    const std::string line = std::string(4000, 'x') + "\n";
    for (std::size_t sent = 0; sent < 3 * workspace::ShareWatch::log_limit; sent += line.size()) {
      write_all(write_end.get(), line);
    }
  }
  const std::string text = read_file(log);
  CHECK(text.size() < workspace::ShareWatch::log_limit + 8192);
  CHECK(text.ends_with("agentvm: the log is full; virtiofsd's further words are left out\n"));
  CHECK(remove_tree(root).empty());
}
