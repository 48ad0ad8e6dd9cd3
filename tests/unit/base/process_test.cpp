// process_test.cpp - children: their codes, descriptors, deadlines, and that none is forgotten.
#include "base/process.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/unix_socket.hpp"

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
