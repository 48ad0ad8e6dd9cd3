// programs_test.cpp - where programs are looked for, and what they say about their version.
#include "launcher/host/programs.hpp"

#include <doctest/doctest.h>

#include "launcher/host/version_cache.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;
using test::Variable;

TEST_CASE("the variable and then PATH and then the cache") {
  const Scratch scratch;
  const std::string cache = scratch / "cache";
  const Variable path("PATH", (scratch / "bin").c_str());
  const Variable none("AGENTVM_NO_SUCH_TOOL", nullptr);
  CHECK_FALSE(host::find_tool("no-such-tool", cache));
  const std::string own = scratch.write("cache/tools/no-such-tool/bin/no-such-tool", "#!/bin/sh\n", 0755);
  CHECK(host::find_tool("no-such-tool", cache) == own);
  const std::string shared = scratch.write("cache/tools/bin/no-such-tool", "#!/bin/sh\n", 0755);
  CHECK(host::find_tool("no-such-tool", cache) == shared);
  const std::string on_path = scratch.write("bin/no-such-tool", "#!/bin/sh\n", 0755);
  CHECK(host::find_tool("no-such-tool", cache) == on_path);
  const std::string given = scratch.write("elsewhere/tool", "#!/bin/sh\n", 0755);
  {
    const Variable variable("AGENTVM_NO_SUCH_TOOL", given.c_str());
    CHECK(host::find_tool("no-such-tool", cache) == given);
  }
  {
    // What was asked for and is not there is never replaced by something else.
    const Variable variable("AGENTVM_NO_SUCH_TOOL", "/nonexistent/tool");
    CHECK_FALSE(host::find_tool("no-such-tool", cache));
  }
  CHECK(host::tool_variable("cloud-hypervisor") == "AGENTVM_CLOUD_HYPERVISOR");
}

TEST_CASE("a directory or a plain file is no program") {
  const Scratch scratch;
  const Variable path("PATH", (scratch / "bin").c_str());
  scratch.directory("bin/no-such-tool");
  CHECK_FALSE(host::find_tool("no-such-tool", scratch / "cache"));
  scratch.write("bin/no-such-other", "text", 0644);
  CHECK_FALSE(host::find_tool("no-such-other", scratch / "cache"));
}

TEST_CASE("a virtiofsd that is too old is passed over") {
  const Scratch scratch;
  const Variable path("PATH", (scratch / "old:").append(scratch / "c:").append(scratch / "new").c_str());
  const Variable none("AGENTVM_VIRTIOFSD", nullptr);
  scratch.write("old/virtiofsd", "#!/bin/sh\necho virtiofsd 1.10.1\n", 0755);
  scratch.write("c/virtiofsd", "#!/bin/sh\necho 'virtiofsd version 7.2.22 (Debian)'\n", 0755);
  const std::string good = scratch.write("new/virtiofsd", "#!/bin/sh\necho virtiofsd 1.13.2\n", 0755);
  CHECK(host::find_tool("virtiofsd", scratch / "cache") == good);
}

TEST_CASE("a version is asked once per file") {
  const Scratch scratch;
  const std::string count = scratch / "count";
  const std::string program =
      scratch.write("tool", "#!/bin/sh\necho x >> " + count + "\necho tool 1.2.3\necho more\n", 0755);
  CHECK(host::version_line(program, scratch / "cache") == "tool 1.2.3");
  CHECK(host::version_line(program, scratch / "cache") == "tool 1.2.3");
  CHECK(read_file(count) == "x\n");
  scratch.write("tool", "#!/bin/sh\necho x >> " + count + "\necho tool 1.2.4 changed\n", 0755);
  CHECK(host::version_line(program, scratch / "cache") == "tool 1.2.4 changed");
  scratch.write("cache/versions.json", "not json");
  CHECK(host::version_line(program, scratch / "cache") == "tool 1.2.4 changed");
  const std::string failing = scratch.write("failing", "#!/bin/sh\necho 9.9.9; exit 1\n", 0755);
  CHECK(host::version_line(failing, scratch / "cache") == "");
  CHECK(host::version_line("/nonexistent", scratch / "cache") == "");
}

TEST_CASE("versions are compared number by number") {
  CHECK(host::version_number("codex-cli 0.169.0") == "0.169.0");
  CHECK(host::version_number("v1.13.") == "1.13");
  CHECK(host::version_number("build 7 of 1.2") == "1.2");
  CHECK(host::version_number("none") == "");
  CHECK(host::version_at_least("1.13.0", "1.13"));
  CHECK(host::version_at_least("1.14", "1.13.5"));
  CHECK(host::version_at_least("2.0", "1.13"));
  CHECK_FALSE(host::version_at_least("1.9", "1.13"));
  CHECK_FALSE(host::version_at_least("1.13", "1.13.1"));
  CHECK_FALSE(host::version_at_least("", "0.1"));
}
