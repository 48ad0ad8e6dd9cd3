// codex_test.cpp - the native Codex behind launchers and wrappers, and facts about paths.
#include "launcher/host/codex.hpp"

#include <doctest/doctest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <string_view>

#include "launcher/host/facts.hpp"
#include "launcher/host/path_facts.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::has;
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
    CHECK(host::native_codex(scratch / "bin/codex").path == native);
    const Variable none("AGENTVM_CODEX", nullptr);
    const Variable path("PATH", (scratch / "bin").c_str());
    CHECK(host::find_codex("auto", scratch / "cache").path == native);
    CHECK(host::find_codex("host", scratch / "cache").path == native);
  }
}

TEST_CASE("a native program and a wrapper and neither") {
  const Scratch scratch;
  const std::string native = scratch.write("native/codex", elf, 0755);
  CHECK(host::native_codex(native).path == native);
  scratch.write("nix/bin/codex", "#!/bin/sh\n", 0755);
  const std::string hidden = scratch.write("nix/bin/.codex-wrapped", elf, 0755);
  CHECK(host::native_codex(scratch / "nix/bin/codex").path == hidden);
  CHECK(host::native_codex(scratch / "missing").path == "");
  CHECK(host::native_codex(scratch / "missing").obstacle == "");
  const std::string text = scratch.write("text/codex", "words\n", 0755);
  CHECK(host::native_codex(text).obstacle == text + " is neither a native program nor a script");
  const std::string launcher = scratch.write("alone/@openai/codex/bin/codex.js", "#!/usr/bin/env node\n", 0755);
  CHECK(host::native_codex(launcher).path == "");
  CHECK(has(host::native_codex(launcher).obstacle, "@openai/" + platform()));
  CHECK(has(host::native_codex(launcher).hint, "--include=optional"));
}

TEST_CASE("pnpm's script leads to the native program without being run") {
  for (const bool absolute : {false, true}) {
    CAPTURE(absolute);
    const Scratch scratch;
    const std::string started = scratch / "started";
    const std::string store = "pnpm/global/5/.pnpm";
    const std::string native = scratch.write(store + "/a/node_modules/@openai/native/vendor/t/bin/codex", elf, 0755);
    scratch.write(store + "/b/node_modules/@openai/codex/bin/codex.js", "#!/usr/bin/env node\n", 0755);
    REQUIRE(symlink("../../../a/node_modules/@openai/native",
                    (scratch / store + "/b/node_modules/@openai/" + platform()).c_str()) == 0);
    scratch.directory("pnpm/global/5/node_modules/@openai");
    REQUIRE(symlink("../../.pnpm/b/node_modules/@openai/codex",
                    (scratch / "pnpm/global/5/node_modules/@openai/codex").c_str()) == 0);
    const std::string base = absolute ? scratch / "pnpm" : "$basedir";
    scratch.write("pnpm/codex",
                  "#!/bin/sh\n: >" + started +
                      "\nbasedir=$(dirname \"$0\")\nexport NODE_PATH=\"/x/@openai/codex/bin/n\"\n" + "exec node  \"" +
                      base + "/global/5/node_modules/@openai/codex/bin/codex.js\" \"$@\"\n",
                  0755);
    CHECK(host::native_codex(scratch / "pnpm/codex").path == native);
    CHECK_FALSE(test::exists(started));
  }
}

TEST_CASE("shims are named and what prints the real program too") {
  const Scratch scratch;
  const std::string mise = scratch.write("bin/mise", elf, 0755);
  const std::string other = scratch.write("bin/busy", elf, 0755);
  const std::string link = scratch.directory("shims") + "/codex";
  REQUIRE(symlink(mise.c_str(), link.c_str()) == 0);
  const vmspec::AgentProgram linked = host::native_codex(link);
  CHECK(linked.path == "");
  CHECK(linked.obstacle ==
        link + " is not Codex itself: it leads to " + mise + ", mise, which chooses a program for each directory");
  CHECK(has(linked.hint, "`mise which codex` prints it"));
  const std::string unknown = scratch.directory("other") + "/codex";
  REQUIRE(symlink(other.c_str(), unknown.c_str()) == 0);
  CHECK(has(host::native_codex(unknown).obstacle, "it leads to " + other + ", a program of another name"));
  const std::string proto = scratch.write(".proto/shims/codex", elf, 0755);
  CHECK(host::native_codex(proto).obstacle == proto + " is not Codex itself: it lies among proto's shims");
  const std::string script = scratch.write(
      "asdf/codex", "#!/usr/bin/env bash\n# asdf-plugin: nodejs 22.0.0\nexec asdf exec \"codex\" \"$@\"\n", 0755);
  CHECK(host::native_codex(script).obstacle ==
        script + " is not Codex itself: it is a script (#!/usr/bin/env bash), by its text a shim of asdf");
  CHECK(has(host::native_codex(script).hint, "asdf which codex"));
  const std::string own = scratch.write("own/codex", "#!/bin/sh\x1b[2J\nexec promised \"$@\"\n", 0755);
  CHECK(host::native_codex(own).obstacle ==
        own + " is not Codex itself: it is a script (#!/bin/sh\\x1b[2J), perhaps a shim of a version manager");
  // A release of its own name, and a link to it.
  const std::string release = scratch.write("release/codex-x86_64-unknown-linux-musl", elf, 0755);
  const std::string alias = scratch.directory("alias") + "/codex";
  REQUIRE(symlink(release.c_str(), alias.c_str()) == 0);
  CHECK(host::native_codex(alias).path == release);
}

TEST_CASE("what calls itself something else is not taken for Codex and what was passed over is said") {
  const Scratch scratch;
  const Variable none("AGENTVM_CODEX", nullptr);
  const std::string copied = scratch.write("bin/codex", read_file("/bin/cat"), 0755);
  const Variable path("PATH", (scratch / "bin").c_str());
  const vmspec::AgentProgram host = host::find_codex("host", scratch / "cache");
  CHECK(host.path == "");
  CHECK(has(host.obstacle, copied + " is not Codex: asked for its --version, it says 'cat"));
  const std::string native = npm_install(scratch, "cache/tools/codex/node_modules", false);
  const vmspec::AgentProgram found = host::find_codex("auto", scratch / "cache");
  CHECK(found.path == native);
  CHECK(found.obstacle == host.obstacle);
  const std::string tool = scratch.write("bin/tool", elf, 0755);
  CHECK(has(host::find_codex(tool, scratch / "cache").obstacle, "it says nothing"));
  const Variable given("AGENTVM_CODEX", "/nonexistent/codex");
  CHECK(host::find_codex("auto", scratch / "cache").obstacle ==
        "AGENTVM_CODEX is /nonexistent/codex, which is not there");
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
