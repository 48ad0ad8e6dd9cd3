// agent_program_test.cpp - where a run takes Codex from, and what it says of one that it does not take.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/vmspec/support.hpp"
#include "vmspec/plan/plan.hpp"

namespace agentvm::vmspec {

using testing::builtin;
using testing::debian_host;
using testing::format_all;
using testing::has_line;
using testing::some_run;

namespace {

struct DefaultRun {
  explicit DefaultRun(const HostFacts& facts)
      : spec(make_vm_spec(builtin("default"), facts, some_run(), problems)), lines(format_all(problems)) {}

  const ShareSpec* agent_share() const {
    const auto found =
        std::find_if(spec.shares.begin(), spec.shares.end(), [](const ShareSpec& one) { return one.tag == "agent"; });
    return found == spec.shares.end() ? nullptr : &*found;
  }

  std::vector<Problem> problems;
  VmSpec spec;
  std::vector<std::string> lines;
};

}  // namespace

TEST_CASE("a Codex under /usr needs no share but one in a home directory's top is refused") {
  auto facts = debian_host();
  facts.codex.path = "/usr/bin/codex";
  const DefaultRun p(facts);
  CHECK(p.agent_share() == nullptr);
  CHECK(p.spec.agent.argv[0] == "/usr/bin/codex");
  facts.codex.path = "/home/me/codex";
  const DefaultRun refused(facts);
  REQUIRE(refused.problems.size() == 1);
  CHECK(refused.problems[0].code == ExitCode::cannot_start);
  CHECK(has_line(refused.lines, "its directory must not be shown"));
  const std::string release = "/home/me/.codex/packages/standalone/releases/0.169.0-x86_64-unknown-linux-musl/bin";
  facts.codex.path = release + "/codex";
  const DefaultRun installed(facts);
  CHECK(installed.lines.empty());
  CHECK(installed.agent_share()->source == release);
  CHECK(installed.agent_share()->read_only);
}

TEST_CASE("what is there instead of Codex is said: as the reason or as a note") {
  auto facts = debian_host();
  facts.codex.obstacle = "/s/codex is not Codex itself";
  facts.codex.hint = "set AGENTVM_CODEX";
  const DefaultRun passed_over(facts);
  CHECK(passed_over.lines.empty());
  CHECK(has_line(passed_over.spec.notes, "/s/codex is not Codex itself."));
  facts.codex.path.clear();
  const DefaultRun refused(facts);
  CHECK(has_line(refused.lines, "there is no Codex, the agent (/s/codex is not Codex itself); set AGENTVM_CODEX"));
}

}  // namespace agentvm::vmspec
