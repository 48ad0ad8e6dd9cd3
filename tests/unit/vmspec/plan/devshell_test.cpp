// devshell_test.cpp - what the workspace's devShell adds to a plan, and what stands against it.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/process.hpp"
#include "tests/unit/vmspec/support.hpp"
#include "vmspec/plan/devshell.hpp"

namespace agentvm::vmspec {

using testing::has_line;

namespace {

struct DevShellRun {
  HostFacts facts = testing::debian_host();
  std::vector<std::string> lines;
  std::vector<Problem> problems;

  DevShellRun() {
    facts.devshell = DevShell{.built = true,
                              .store = "/nix/store",
                              .gc_root = "/c/devshells/k/roots/root",
                              .environment = {{"FOO", "bar"},
                                              {"HOME", "/evil"},
                                              {"NO_PROXY", ""},
                                              {"GOPROXY", "on"},
                                              {"LANG", "de_DE"},
                                              {"CODEX_HOME", "/evil"},
                                              {"MINE", "shell"}},
                              .path = "/nix/store/a/bin:/nix/store/b/bin",
                              .hook = "echo hook"};
  }
  VmSpec plan(const std::string& text = {}) {
    problems.clear();
    const Profile profile = resolve_profile(
        "mine", std::nullopt,
        testing::sources_of(
            {{"mine", "extends = \"default\"\nguest.devshell = true\nagent.env = { MINE = \"profile\" }\n" + text}}),
        problems);
    VmSpec spec = make_vm_spec(profile, facts, testing::some_run(), problems);
    lines = testing::format_all(problems);
    return spec;
  }
};

std::vector<std::string> mounted(const VmSpec& spec) {
  std::vector<std::string> out;
  for (const ShareSpec& share : spec.shares) {
    out.push_back(share.source + " " + share.mount_point + (share.read_only ? "" : " rw"));
  }
  return out;
}

}  // namespace

TEST_CASE("a devShell of a host guest: the store and its variables behind ours and its PATH in front and its hook") {
  DevShellRun run;
  const VmSpec spec = run.plan();
  CHECK(run.lines.empty());
  const auto shares = mounted(spec);
  CHECK(std::count(shares.begin(), shares.end(), "/nix/store /nix/store") == 1);
  const auto& env = spec.agent.env;
  CHECK(env.at("FOO") == "bar");
  CHECK(env.at("HOME") == "/home/agent");
  CHECK(env.at("NO_PROXY") == "127.0.0.1,localhost");
  CHECK(env.at("GOPROXY") == "off");
  CHECK(env.at("LANG") == "de_DE");
  CHECK(env.at("CODEX_HOME") == "/home/agent/.codex");
  CHECK(env.at("MINE") == "profile");
  CHECK(env.at("PATH") == "/nix/store/a/bin:/nix/store/b/bin:" + spec.image.path);
  CHECK(env.at("AGENTVM_PATH") == env.at("PATH"));
  CHECK(spec.image.path.find("/nix") == std::string::npos);
  CHECK(env.at("shellHook") == "echo hook");
  CHECK(spec.agent.hook);
  CHECK(spec.image.devshell_root == "/c/devshells/k/roots/root");
  CHECK(has_line(spec.notes, "works in the workspace's devShell."));
  const auto guidance = std::find_if(spec.files.begin(), spec.files.end(),
                                     [](const GuestFile& file) { return file.path.ends_with("/AGENTS.md"); });
  REQUIRE(guidance != spec.files.end());
  CHECK(guidance->content.find("own devShell is entered already") != std::string::npos);
  CHECK(vm_spec_from_json(to_json(spec)) == spec);
}

TEST_CASE("a devShell without a hook and without a PATH") {
  DevShellRun run;
  run.facts.devshell->hook.clear();
  run.facts.devshell->path.clear();
  const VmSpec spec = run.plan();
  CHECK_FALSE(spec.agent.hook);
  CHECK_FALSE(spec.agent.env.contains("shellHook"));
  CHECK(spec.agent.env.at("PATH") == spec.image.path);
  CHECK_FALSE(spec.agent.env.contains("AGENTVM_PATH"));
}

TEST_CASE("a devShell that is still to be built is said and where there can be none that is said at its key") {
  DevShellRun run;
  run.facts.devshell = DevShell{.store = "/nix/store"};
  CHECK(has_line(run.plan().notes, "which Nix has to build first"));
  CHECK(run.lines.empty());
  run.facts.devshell.reset();
  run.facts.devshell_refusal = {"the workspace has no flake.nix", "use false"};
  run.plan();
  REQUIRE(run.lines.size() == 1);
  CHECK(run.lines[0].starts_with("mine.toml:2:"));
  CHECK(has_line(run.lines, "guest.devshell: the workspace has no flake.nix; use false"));
  CHECK(run.problems[0].code == ExitCode::cannot_start);
}

TEST_CASE("a nix guest has the store already unless it is a disk of its own packages") {
  DevShellRun run;
  NixGuest guest;
  guest.built = true;
  guest.kernel_image = "/nix/store/k/bzImage";
  guest.store = "/nix/store";
  guest.user = "agent";
  guest.home = "/home/agent";
  guest.workspace = "/workspace";
  guest.path = "/run/current-system/sw/bin";
  run.facts.nix_guest = guest;
  auto shares = mounted(run.plan());
  CHECK(run.lines.empty());
  CHECK(std::count(shares.begin(), shares.end(), "/nix/store /nix/.ro-store") == 1);
  CHECK(std::count(shares.begin(), shares.end(), "/nix/store /nix/store") == 0);
  run.plan("store.share = \"closure\"\n");
  REQUIRE(run.lines.size() == 1);
  CHECK(has_line(run.lines, "store.share: \"closure\" leaves the packages of guest.devshell out"));
}

TEST_CASE("what is looked up for a devShell and nothing of it without") {
  std::vector<Problem> problems;
  CHECK_FALSE(needed_facts(testing::builtin("default"), testing::some_run()).devshell);
  DevShellRun run;
  const Profile plain = testing::builtin("default");
  const VmSpec spec = make_vm_spec(plain, run.facts, testing::some_run(), problems);
  CHECK(problems.empty());
  CHECK_FALSE(spec.agent.env.contains("FOO"));
  CHECK_FALSE(spec.agent.hook);
  CHECK(spec.image.devshell_root.empty());
}

TEST_CASE("the hook runs before the command away from its stdin and stdout and what it exports stays") {
  const auto enter = [](const char* hook) {
    const auto entered = entering_devshell({"sh", "-c", "echo \"$1 $HOOKED\"; cat", "x", "an argument with 'quotes'"});
    SpawnOptions options{.program = "bash", .args = {entered.begin() + 1, entered.end()}};
    options.environment = {{{"PATH", "/usr/bin:/bin"}, {"shellHook", hook}}};
    REQUIRE(entered[0] == "bash");
    return run_captured(options, std::chrono::seconds(20));
  };
  const Output done = enter("echo from the hook; cat; export HOOKED='yes $x'; trap 'echo trapped' EXIT; false");
  CHECK(done.status.shell_code() == 0);
  CHECK(done.out == "an argument with 'quotes' yes $x\n");
  CHECK(done.err == "from the hook\n");
  const Output ended = enter("exit 0");
  CHECK(ended.status.shell_code() == 125);
  CHECK(ended.out == "");
  CHECK(ended.err == "agentvm: the devShell's hook ended before the agent was started\n");
  const Output other = enter("export HOOKED=yes; exec sh");
  CHECK(other.status.shell_code() == 0);
  CHECK(other.out == "an argument with 'quotes' yes\n");
  CHECK(other.err == "agentvm: the devShell's hook calls exec, which is left out\n");
}

}  // namespace agentvm::vmspec
