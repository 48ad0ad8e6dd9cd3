// codex_test.cpp - the native Codex behind launchers and wrappers, and facts about paths.
#include "launcher/host/codex.hpp"

#include <doctest/doctest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <string_view>

#include "launcher/host/facts.hpp"
#include "launcher/host/path_facts.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;
using test::Variable;

namespace {

std::string platform() {
  utsname machine{};
  uname(&machine);
  return std::string_view(machine.machine) == "aarch64" ? "codex-linux-arm64" : "codex-linux-x64";
}

const std::string elf =
    "\x7f"
    "ELF and the rest";

/// npm's layout: the launcher, and the native program in the platform's package.
std::string npm_install(const Scratch& scratch, const std::string& modules, bool nested) {
  scratch.write(modules + "/@openai/codex/bin/codex.js", "#!/usr/bin/env node\n", 0755);
  const std::string package = nested ? modules + "/@openai/codex/node_modules/@openai/" : modules + "/@openai/";
  return scratch.write(package + platform() + "/vendor/some-target/bin/codex", elf, 0755);
}

}  // namespace

TEST_CASE("npm's launcher leads to the native program") {
  for (const bool nested : {false, true}) {
    CAPTURE(nested);
    const Scratch scratch;
    const std::string native = npm_install(scratch, "lib/node_modules", nested);
    scratch.directory("bin");
    REQUIRE(symlink("../lib/node_modules/@openai/codex/bin/codex.js", (scratch / "bin/codex").c_str()) == 0);
    CHECK(host::native_codex(scratch / "bin/codex") == native);
    const Variable none("AGENTVM_CODEX", nullptr);
    const Variable path("PATH", (scratch / "bin").c_str());
    CHECK(host::find_codex("auto", scratch / "cache").path == native);
    CHECK(host::find_codex("host", scratch / "cache").path == native);
  }
}

TEST_CASE("a native program and a wrapper and neither") {
  const Scratch scratch;
  const std::string native = scratch.write("native/codex", elf, 0755);
  CHECK(host::native_codex(native) == native);
  scratch.write("nix/bin/codex", "#!/bin/sh\n", 0755);
  const std::string hidden = scratch.write("nix/bin/.codex-wrapped", elf, 0755);
  CHECK(host::native_codex(scratch / "nix/bin/codex") == hidden);
  CHECK(host::native_codex(scratch.write("script/codex", "#!/bin/sh\n", 0755)) == "");
  CHECK(host::native_codex(scratch / "missing") == "");
}

TEST_CASE("the cache's copy is last and only for auto") {
  const Scratch scratch;
  const Variable none("AGENTVM_CODEX", nullptr);
  const Variable path("PATH", "/nonexistent");
  CHECK(host::find_codex("auto", scratch / "cache").path == "");
  const std::string native = npm_install(scratch, "cache/tools/codex/node_modules", false);
  CHECK(host::find_codex("auto", scratch / "cache").path == native);
  CHECK(host::find_codex("host", scratch / "cache").path == "");
  const Variable given("AGENTVM_CODEX", "/nonexistent/codex");
  CHECK(host::find_codex("auto", scratch / "cache").path == "");
}

TEST_CASE("an exposed directory's bin directories") {
  const Scratch scratch;
  const Variable home("HOME", scratch.path().c_str());
  scratch.directory("toolchains/stable/bin");
  scratch.directory("toolchains/nightly/bin");
  scratch.directory("toolchains/empty");
  const auto found = host::find_path("~/toolchains");
  REQUIRE(found);
  CHECK(found->facts.directory);
  CHECK(found->facts.real == scratch / "toolchains");
  CHECK(found->held.path() == scratch / "toolchains");
  CHECK(found->facts.bin_dirs ==
        std::vector<std::string>{scratch / "toolchains/nightly/bin", scratch / "toolchains/stable/bin"});
  CHECK(host::find_path("~/toolchains/stable")->facts.bin_dirs ==
        std::vector<std::string>{scratch / "toolchains/stable/bin"});
  CHECK(host::find_path(scratch / "toolchains/stable/bin")->facts.bin_dirs.front() ==
        scratch / "toolchains/stable/bin");
  CHECK_FALSE(host::find_path(scratch / "missing"));
  CHECK(host::expand_home("~") == scratch.path());
  CHECK(host::expand_home("~other/x") == "~other/x");
}

TEST_CASE("facts answer what was asked and nothing else") {
  const Scratch scratch;
  const Variable path("PATH", (scratch / "bin").c_str());
  const Variable accel("AGENTVM_ACCEL", "tcg");
  const Variable key("A_KEY", "k");
  scratch.write("bin/a-tool", "#!/bin/sh\n", 0755);
  vmspec::NeededFacts needed;
  needed.programs = {"a-tool", "no-such-tool", scratch / "bin/a-tool", "/nonexistent/x"};
  needed.paths = {scratch / "bin", "/nonexistent"};
  needed.environment = {"A_KEY", "NO_SUCH_VARIABLE"};
  host::HeldDirectories exposed;
  const vmspec::HostFacts facts =
      host::gather_facts(needed, scratch.roots(), HeldDirectory::resolve(scratch.path()), exposed);
  CHECK(facts.cpus >= 1);
  CHECK(facts.memory_bytes > (1U << 20));
  CHECK_FALSE(facts.kvm);
  CHECK(facts.uid == geteuid());
  CHECK(facts.found == std::map<std::string, std::string>{{"a-tool", scratch / "bin/a-tool"},
                                                          {scratch / "bin/a-tool", scratch / "bin/a-tool"}});
  CHECK(facts.paths.size() == 1);
  CHECK(facts.environment == std::map<std::string, std::string>{{"A_KEY", "k"}});
  CHECK(facts.codex.path == "");
  CHECK(facts.workspace_uid == geteuid());
}
