// process_test.cpp - children: their codes, descriptors, deadlines, and that none is forgotten.
#include "base/process.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/held_directory.hpp"
#include "base/unix_socket.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using namespace std::chrono_literals;

TEST_SUITE("base/process") {
  TEST_CASE("exit codes and signals come back") {
    CHECK(spawn({.program = "true"}).wait()->code == 0);
    CHECK(spawn({.program = "sh", .args = {"-c", "exit 7"}}).wait()->code == 7);
    const auto killed = spawn({.program = "sh", .args = {"-c", "kill -9 $$"}}).wait();
    CHECK(killed->signal == SIGKILL);
    CHECK(killed->shell_code() == 137);
  }

  TEST_CASE("what cannot be started says why") {
    try {
      spawn({.program = "agentvm-no-such-program"}).wait();
      FAIL("started");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::not_found);
      CHECK(std::string(error.what()) == "agentvm-no-such-program: no such program on PATH");
    }
    try {
      spawn({.program = "/etc/passwd"}).wait();
      FAIL("started");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::cannot_start);
      CHECK(std::string(error.what()).find("/etc/passwd") != std::string::npos);
    }
  }

  TEST_CASE("output is captured and environment and directory are as asked") {
    const Output output = run_captured({.program = "sh",
                                        .args = {"-c", "echo $A-$B; pwd; echo err >&2"},
                                        .environment = {{{"A", "1"}, {"PATH", "/usr/bin:/bin"}}},
                                        .directory = "/usr"},
                                       5s);
    CHECK(output.out == "1-\n/usr\n");
    CHECK(output.err == "err\n");
    CHECK(output.status.code == 0);
  }

  TEST_CASE("a deadline kills the whole group") {
    const auto start = std::chrono::steady_clock::now();
    const Output output = run_captured({.program = "sh", .args = {"-c", "sleep 60 & sleep 60"}}, 200ms);
    CHECK(output.timed_out);
    CHECK(std::chrono::steady_clock::now() - start < 10s);
  }

  TEST_CASE("descriptors get the numbers 3 - 4 - ... in their order - wherever they stand here") {
    int fds[2][2];
    REQUIRE(pipe2(fds[0], O_CLOEXEC) == 0);
    REQUIRE(pipe2(fds[1], O_CLOEXEC) == 0);
    const UniqueFd first_read(fds[0][0]);
    const UniqueFd first(fds[0][1]);
    const UniqueFd second_read(fds[1][0]);
    const UniqueFd second(fds[1][1]);
    // One that is named twice, and two that may each stand where the other is to go.
    const Output output = run_captured({.program = "sh",
                                        .args = {"-c", "echo a >&4; echo b >&3; echo c >&5; ls /proc/self/fd | wc -w"},
                                        .numbered = {first.get(), second.get(), first.get()}},
                                       5s);
    CHECK(output.status.code == 0);
    char text[16];
    CHECK(std::string(text, static_cast<std::size_t>(read(first_read.get(), text, sizeof text))) == "b\nc\n");
    CHECK(std::string(text, static_cast<std::size_t>(read(second_read.get(), text, sizeof text))) == "a\n");
    CHECK(output.out == "7\n");  // 0 to 5, and the directory that ls reads
    // Ours are where they were.
    CHECK(fcntl(first.get(), F_GETFD) == FD_CLOEXEC);
  }

  TEST_CASE("a child sees the directory of a descriptor at a place of its own - whatever its name leads to by now") {
    const test::Scratch scratch;
    scratch.write("shared/mark", "mine");
    const std::string place = scratch.directory("place");
    const HeldDirectory held = HeldDirectory::resolve(scratch / "shared");
    REQUIRE(rename((scratch / "shared").c_str(), (scratch / "moved").c_str()) == 0);
    scratch.write("shared/mark", "theirs");
    const Output output = run_captured({.program = "sh",
                                        .args = {"-c", "cat " + place + "/mark; id -u; pwd"},
                                        .directory = "/",
                                        .mount_place = place,
                                        .mounted_fd = held.fd()},
                                       5s);
    CHECK(output.out == "mine" + std::to_string(geteuid()) + "\n/\n");
    CHECK(output.err.empty());
    CHECK_FALSE(test::exists(place + "/mark"));  // the mount is the child's alone
  }

  TEST_CASE("only named descriptors reach the child") {
    UniqueFd kept(open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd lost(open("/dev/null", O_RDONLY));  // NOLINT(android-cloexec-open): even this one must not
    const std::string script = "test -e /proc/self/fd/" + std::to_string(kept.get()) +
                               " && echo kept; test -e /proc/self/fd/" + std::to_string(lost.get()) +
                               " && echo lost; true";
    CHECK(run_captured({.program = "sh", .args = {"-c", script}, .inherit = {kept.get()}}, 5s).out == "kept\n");
  }

  TEST_CASE("a dropped child is killed and reaped") {
    pid_t pid = 0;
    {
      const ChildProcess child = spawn({.program = "sleep", .args = {"60"}});
      pid = child.pid();
      CHECK(kill(pid, 0) == 0);
    }
    CHECK(kill(pid, 0) == -1);
  }

  TEST_CASE("find_program") {
    CHECK(find_program("sh").has_value());
    CHECK_FALSE(find_program("agentvm-no-such-program").has_value());
    CHECK_FALSE(find_program("sh", "relative:/nonexistent").has_value());
    CHECK_FALSE(find_program("").has_value());
  }
}
