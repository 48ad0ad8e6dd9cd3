// completion_test.cpp - completion scripts are valid in their shells and know the tree.
#include <doctest/doctest.h>

#include "base/file.hpp"
#include "base/process.hpp"
#include "launcher/cli/parse.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using agentvm::test::has;
using test::Scratch;

namespace {

std::string script(const std::string& shell) {
  return std::get<commands::PrintText>(cli::parse({"completion", shell}).verb).text;
}

/// What bash offers for a line, with an agentvm on PATH that knows one VM and one profile.
std::string offered(const Scratch& scratch, const std::vector<std::string>& line) {
  scratch.write("bin/agentvm", "#!/bin/sh\ncase \"$1\" in ls) echo my-vm ;; profile) echo my-profile ;; esac\n", 0755);
  const std::string file = scratch.write("completion.bash", script("bash"));
  std::string words;
  for (const std::string& word : line) words += " '" + word + "'";
  const std::string program = "compopt() { :; }; . " + file + "; COMP_WORDS=(" + words +
                              "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _agentvm; echo \"${COMPREPLY[@]}\"";
  const Output output = run_captured({.program = "bash",
                                      .args = {"--norc", "-c", program},
                                      .environment = {{{"PATH", scratch / "bin:/usr/bin:/bin"}}},
                                      .directory = scratch.path()},
                                     std::chrono::seconds(10));
  CHECK(output.err == "");
  return output.out.substr(0, output.out.find('\n'));
}

}  // namespace

TEST_CASE("bash completes verbs and options and VMs and profiles and choices") {
  if (!find_program("bash")) {
    MESSAGE("skipped: no bash");
    return;
  }
  const Scratch scratch;
  CHECK(offered(scratch, {"agentvm", "ru"}) == "run");
  CHECK(has(offered(scratch, {"agentvm", ""}), "destroy"));
  CHECK(offered(scratch, {"agentvm", "run", "--wor"}) == "--workspace-mode");
  CHECK(offered(scratch, {"agentvm", "run", "--workspace-mode", "r"}) == "review read-only");
  CHECK(has(offered(scratch, {"agentvm", "run", "--profile", "my"}), "my-profile"));
  CHECK(offered(scratch, {"agentvm", "-v", "stop", ""}) == "my-vm");
  CHECK(offered(scratch, {"agentvm", "profile", "sh"}) == "show");
  CHECK(offered(scratch, {"agentvm", "profile", "show", "--or"}) == "--origins");
  CHECK(offered(scratch, {"agentvm", "exec", "my-vm", "--", "x"}) == "");
  scratch.directory("project");
  CHECK(has(offered(scratch, {"agentvm", "run", "pro"}), "project"));
}

TEST_CASE("zsh and fish know every verb and option") {
  for (const std::string shell : {"zsh", "fish"}) {
    CAPTURE(shell);
    const std::string text = script(shell);
    for (const char* word : {"run", "destroy", "workspace-mode", "prompt-file", "profile list -q", "ls -q"}) {
      CHECK(has(text, word));
    }
    if (!find_program(shell)) {
      MESSAGE("not parsed: no " << shell);
      continue;
    }
    const Scratch scratch;
    const Output output =
        run_captured({.program = shell, .args = {"-n", scratch.write("script", text)}}, std::chrono::seconds(10));
    CHECK(output.status.shell_code() == 0);
    CHECK(output.err == "");
  }
}
