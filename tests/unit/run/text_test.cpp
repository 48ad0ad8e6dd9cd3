// text_test.cpp - plans and reports in words.
#include "launcher/run/text.hpp"

#include <doctest/doctest.h>

#include "tests/unit/has.hpp"

using namespace agentvm;
using agentvm::test::has;

namespace {

supervisor::Report sample() {
  supervisor::Report report;
  report.name = "my-app";
  report.exit_code = 0;
  report.ended = "agent ended";
  report.ready_ms = 3100;
  report.agent_started_ms = 3200;
  report.total_ms = 42'000;
  report.files = {{"src/lib.rs", 'M', 3, 1}, {"logo.png", 'A', -1, -1}, {"old.txt", 'D', 0, 12}};
  report.commands = {"cargo test", "echo 'a\nb'"};
  report.mcp_calls_json =
      R"([{"server":"nixos","tool":"nix","arguments":{"action":"search"},"ok":true,"refused":false,"text":"ripgrep\n15","ms":812},
          {"server":"nixos","tool":"nix","arguments":{"action":"store"},"ok":false,"refused":true,"text":"","ms":0}])";
  report.model_requests_json =
      R"([{"status":200,"request_bytes":1024,"response_bytes":2048},{"status":500,"request_bytes":1024,"response_bytes":0}])";
  return report;
}

}  // namespace

TEST_CASE("a report says what changed and ran and was asked") {
  CHECK(commands::report_text(sample()) ==
        "agentvm: my-app: agent ended, exit code 0, after 42 s (ready after 3.1 s)\n"
        "  files changed: 3\n"
        "    M  src/lib.rs  +3 -1\n"
        "    A  logo.png    binary\n"
        "    D  old.txt     +0 -12\n"
        "  commands run: 2\n"
        "    cargo test\n"
        "    echo 'a\n"
        "  MCP calls: 2\n"
        "    nixos nix {\"action\":\"search\"}: ok, 812 ms\n"
        "      ripgrep\n"
        "    nixos nix {\"action\":\"store\"}: refused, 0 ms\n"
        "  model requests: 2 (1 failed), 2 KiB sent, 2 KiB received\n");
}

TEST_CASE("a report of nothing is one line and says that nothing changed") {
  supervisor::Report report;
  report.name = "x";
  report.ended = "stopped";
  report.total_ms = 500;
  CHECK(commands::report_text(report) == "agentvm: x: stopped, exit code 0, after 0.5 s\n");
  report.agent_started_ms = 1;
  CHECK(has(commands::report_text(report), "no change"));
}

TEST_CASE("a hostile report is bounded and harmless") {
  supervisor::Report report = sample();
  report.files.assign(5000, {"\x1b[31m" + std::string(300, 'p'), 'M', 1, 1});
  report.commands.assign(1000, "\x1b]0;title\x07");
  report.mcp_calls_json = "{\"not\":\"an array\"}";
  report.model_requests_json = "garbage";
  const std::string text = commands::report_text(report);
  CHECK(text.size() < 20'000);
  CHECK_FALSE(has(text, "\x1b"));
  CHECK(has(text, "... and 4960 more"));
  CHECK(has(text, "... and 980 more"));
}

TEST_CASE("the banner says who may do what to the files") {
  vmspec::VmSpec spec;
  spec.name = "my-app";
  spec.profile = "rust";
  spec.vcpus = 2;
  spec.memory_bytes = 4ULL << 30;
  spec.workspace = "/home/u/my-app";
  spec.agent.cwd = "/workspace";
  spec.image.kernel_version = "6.1.0";
  spec.notes = {"machine.vcpus is 2 instead of 8."};
  std::string text = commands::banner(spec);
  CHECK(has(text, "agentvm: my-app: profile rust, host guest, Linux 6.1.0; QEMU with emulation, 2 CPUs, 4 GiB\n"));
  CHECK(has(text, "/home/u/my-app on /workspace, shared: the agent edits your files directly\n"));
  CHECK(has(text, "none; nothing is reached from inside\n"));
  CHECK(has(text, "machine.vcpus is 2 instead of 8.\n"));
  spec.workspace_mode = vmspec::WorkspaceMode::read_only;
  CHECK(has(commands::banner(spec), "read-only: the agent cannot change your files"));
}

TEST_CASE("a dry run names the shares and the command and what stays") {
  vmspec::VmSpec spec;
  spec.name = "my-app";
  spec.agent.kind = "command";
  spec.agent.argv = {"make", "test"};
  spec.shares = {{"usr", "/usr", "/usr", true}};
  spec.keep = true;
  const std::string text = commands::plan_text(spec);
  CHECK(has(text, "command     make test\n"));
  CHECK(has(text, "/usr on /usr, read-only\n"));
  CHECK(has(text, "the VM stays"));
}
