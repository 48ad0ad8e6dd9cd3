// trust_test.cpp - what a file that a guest can write may say: key by key, item by item, whatever comes after it.
#include "vmspec/profile/trust.hpp"

#include <doctest/doctest.h>

#include "tests/unit/vmspec/support.hpp"
#include "vmspec/profile/keys.hpp"

namespace agentvm::vmspec {

using testing::format_all;
using testing::has_line;
using testing::sources_of;

namespace {

/// What the user's own profile says, under a workspace's file in the cases below.
constexpr const char* own_profile = R"(
[machine]
vcpus = 4
memory = "2GiB"
disk = "4GiB"
[guest]
modules = ["/m.nix"]
expose = ["/opt/a", "/opt/b"]
devshell = true
[workspace]
mode = "review"
hide = [".env"]
[network]
allow = ["a.org", "b.org"]
publish = ["127.0.0.1:1:1"]
[agent]
autonomy = "ask"
timeout = "10m"
[model]
key = { env = "K" }
[mcp.files]
command = ["mcp-files"]
tools.allow = ["read", "list"]
[mcp.web]
command = ["mcp-web"]
network = ["a.example", "b.example"]
tools.deny = ["post"]
arguments.deny = { get = { url = ["file"] } }
)";

struct Judged {
  Profile profile;
  std::vector<std::string> lines;
};

/// The workspace's file, which nobody trusts, over `own_profile` (called "mine").
Judged judge(const std::string& text, std::string_view name = "mine", std::map<std::string, std::string> more = {}) {
  more["mine"] = own_profile;
  ProfileSources sources = sources_of(more);
  sources.is_trusted = [](const SourceText& source) { return source.file != "agentvm.toml"; };
  std::vector<Problem> problems;
  Judged out;
  out.profile = resolve_profile(name, SourceText{"agentvm.toml", text}, sources, problems);
  out.lines = format_all(problems);
  return out;
}

struct TrustCase {
  const char* key;  ///< of the rule
  std::vector<std::string> taken;
  std::vector<std::string> refused;
};

/// Whole lines over `own_profile`. A key without a refused one is Trust::any.
const std::vector<TrustCase>& trust_cases() {
  static const std::vector<TrustCase> cases = {
      {"description", {"description = \"x\""}, {}},
      {"pool", {"pool = \"\""}, {"pool = \"rust\""}},
      {"machine.vcpus", {"machine.vcpus = 4", "machine.vcpus = 1"}, {"machine.vcpus = 5"}},
      {"machine.memory", {"machine.memory = \"1GiB\""}, {"machine.memory = \"16TiB\"", "machine.memory = \"2049MiB\""}},
      {"machine.disk", {"machine.disk = \"64MiB\""}, {"machine.disk = \"5GiB\""}},
      {"machine.hypervisor", {"machine.hypervisor = \"auto\""}, {"machine.hypervisor = \"qemu\""}},
      {"machine.connect", {"machine.connect = \"embed\""}, {"machine.connect = \"system\""}},
      {"guest.source", {"guest.source = \"nix\""}, {}},
      {"guest.packages", {"guest.packages = [\"git\"]"}, {}},
      {"guest.modules",
       {"guest.modules = []", "guest.modules = [\"/m.nix\"]"},
       {"guest.modules = [\"/etc/x.nix\"]", "guest.modules.add = [\"./x.nix\"]"}},
      {"guest.nixpkgs", {}, {"guest.nixpkgs = \"path:/etc\""}},
      {"guest.image", {"guest.image = \"\""}, {"guest.image = \"/nix/store/x-agentvm-work\""}},
      {"guest.devshell", {"guest.devshell = false"}, {}},
      {"guest.tools", {"guest.tools = [\"make\"]"}, {}},
      {"guest.expose",
       {"guest.expose = [\"/opt/b\"]", "guest.expose = []", "guest.expose.add = [\"/opt/a\"]"},
       {"guest.expose = [\"/opt/a\", \"/srv/x\"]", "guest.expose.add = [\"/srv/x\"]",
        "guest = { expose = { add = [\"/srv/x\"] } }"}},
      {"guest.user", {"guest.user = \"dev\""}, {}},
      {"store.share", {"store.share = \"closure\"", "store.share = \"auto\""}, {"store.share = \"host\""}},
      {"store.writable", {"store.writable = false"}, {}},
      {"workspace.mode", {"workspace.mode = \"review\""}, {"workspace.mode = \"shared\""}},
      {"workspace.mount", {"workspace.mount = \"/code\""}, {}},
      {"workspace.hide", {"workspace.hide.add = [\"key\"]"}, {"workspace.hide = []", "workspace.hide = [\"key\"]"}},
      {"network.egress", {"network.egress = \"auto\""}, {"network.egress = \"nat\"", "network.egress = \"proxy\""}},
      {"network.allow",
       {"network.allow = [\"a.org\"]"},
       {"network.allow.add = [\"c.org\"]", "network.allow = []", "network.allow = [\"*.org\"]"}},
      {"network.publish", {"network.publish = []"}, {"network.publish.add = [\"0.0.0.0:22:22\"]"}},
      {"agent.kind", {"agent.kind = \"command\"\nagent.command = [\"make\"]"}, {}},
      {"agent.package", {}, {"agent.package = \"/opt/x\"", "agent.package = \"nix:path:/etc#x\""}},
      {"agent.autonomy", {"agent.autonomy = \"ask\""}, {"agent.autonomy = \"full-auto\""}},
      {"agent.args", {"agent.args = [\"-v\"]"}, {}},
      {"agent.env", {"agent.env.A = \"1\""}, {}},
      {"agent.timeout",
       {"agent.timeout = \"10m\"", "agent.timeout = \"1s\""},
       {"agent.timeout = \"0\"", "agent.timeout = \"11m\""}},
      {"agent.command", {"agent.command = [\"make\"]"}, {}},
      {"model.name", {"model.name = \"m\""}, {}},
      {"model.upstream", {}, {"model.upstream = \"https://evil.example/v1\""}},
      {"model.key",
       {"model.key = {}", "model.key.env = \"K\""},
       {"model.key = { command = [\"cat\", \"/etc/shadow\"] }", "model.key = { file = \"/etc/shadow\" }",
        "model.key.env = \"AWS_SECRET_ACCESS_KEY\""}},
      {"model.wire", {}, {"model.wire = \"messages\""}},
      {"mcp.*.command",
       {"mcp.files.command = []", "mcp.new.command = []"},
       {"mcp.new.command = [\"sh\"]", "mcp.files.command = [\"sh\"]", "mcp.files.command.add = [\"--write\"]"}},
      {"mcp.*.tools.allow",
       {"mcp.files.tools.allow = [\"read\"]", "mcp.files.tools.allow = []"},
       {"mcp.files.tools.allow.add = [\"write\"]"}},
      {"mcp.*.tools.deny", {"mcp.web.tools.deny.add = [\"put\"]"}, {"mcp.web.tools.deny = []"}},
      {"mcp.*.env", {}, {"mcp.files.env = { TOKEN = \"x\" }", "mcp.new.env = { TOKEN = \"x\" }"}},
      {"mcp.*.network",
       {"mcp.web.network = []", "mcp.web.network = [\"a.example\"]"},
       {"mcp.web.network.add = [\"c.example\"]", "mcp.files.network = [\"*\"]"}},
      {"mcp.*.arguments.deny",
       {"mcp.web.arguments.deny.get.url.add = [\"ftp\"]", "mcp.web.arguments.deny.put.url = [\"x\"]"},
       {"mcp.web.arguments.deny.get.url = []", "mcp.web.arguments.deny.get.url = [\"ftp\"]"}},
      {"agents_md.write", {"agents_md.write = false"}, {}},
  };
  return cases;
}

}  // namespace

TEST_CASE("every key that can be refused has a case here and any of the others has none") {
  for (const KeyRule& rule : key_rules()) {
    if (rule.key == "extends" || rule.key == "profile") continue;  // below
    CAPTURE(rule.key);
    const TrustCase* found = nullptr;
    for (const TrustCase& one : trust_cases()) {
      if (one.key == rule.key) found = &one;
    }
    REQUIRE(found != nullptr);
    const bool widest_below = rule.key == "guest.devshell";  // the next test
    CHECK((found->refused.empty() || !rule.trust.rule().empty()));
    if (!widest_below) CHECK(found->refused.empty() == rule.trust.rule().empty());
  }
}

TEST_CASE("an untrusted file narrows each key and widens none") {
  for (const TrustCase& one : trust_cases()) {
    for (const std::string& text : one.taken) {
      CAPTURE(text);
      for (const std::string& line : judge(text).lines) FAIL_CHECK(line);
    }
    for (const std::string& text : one.refused) {
      CAPTURE(text);
      const Judged judged = judge(text);
      CHECK(has_line(judged.lines, "a file in the workspace may"));
      CHECK(has_line(judged.lines, "agentvm.toml:1:"));
      CHECK(has_line(judged.lines, "--trust-workspace"));
    }
  }
  CHECK(has_line(judge("guest.devshell = true", "").lines, "may only switch it off (from false to true)"));
  CHECK(has_line(judge("store.share = \"host\"", "closed", {{"closed", "store.share = \"closure\"\n"}}).lines,
                 "store.share"));
  CHECK(judge("agent.timeout = \"1h\"", "").lines.empty());
  CHECK(judge("network.egress = \"none\"", "").lines.empty());
  CHECK(has_line(judge("machine.memory = \"16TiB\"", "").lines,
                 "machine.memory: a file in the workspace may only lower it (from \"4GiB\" to \"16TiB\")"));
}

TEST_CASE("no flag covers up what an untrusted file said") {
  ProfileSources sources = sources_of({});
  sources.is_trusted = [](const SourceText&) { return false; };
  for (const char* text : {"guest.expose = [\"/srv/secret\"]", "guest.expose.add = [\"/srv/secret\"]"}) {
    std::vector<Problem> problems;
    Profile profile = resolve_profile("", SourceText{"agentvm.toml", text}, sources, problems);
    apply_override(profile, "guest.expose.add", "/opt/x", "--expose", problems);
    CHECK(has_line(format_all(problems), "guest.expose: a file in the workspace may only remove items"));
  }
}

TEST_CASE("an untrusted file picks none of the user's own profiles") {
  for (const char* text : {"profile = \"work\"", "extends = \"work\"", "[profile]\nname = \"work\""}) {
    CAPTURE(text);
    const Judged judged = judge(text, "", {{"work", "[machine]\nvcpus = 2\n"}});
    REQUIRE(judged.lines.size() == 1);
    CHECK(has_line(judged.lines, "may only name a built-in profile ('work' is your own work.toml)"));
    CHECK(has_line(judged.lines, "--profile work"));
    CHECK(judged.profile.machine.vcpus == 8);
  }
  // A built-in one, what is taken without any word, and what the caller named.
  CHECK(judge("profile = \"rust\"", "").lines.empty());
  CHECK(judge("profile = \"default\"", "", {{"default", "[machine]\nvcpus = 2\n"}}).profile.machine.vcpus == 2);
  CHECK(judge("profile = \"work\"", "mine").lines.empty());
  // The user's own of a built-in's name is the user's own.
  CHECK(has_line(judge("profile = \"rust\"", "", {{"rust", "[machine]\nvcpus = 2\n"}}).lines, "your own rust.toml"));
}

TEST_CASE("any file of the workspace is judged - however it was named and stands on no profile of the user's") {
  ProfileSources sources = sources_of({{"./team.toml", "extends = \"rust\"\nguest.expose.add = [\"/srv/x\"]\n"},
                                       {"./thief.toml", "extends = \"work\"\n"},
                                       {"./less.toml", "extends = \"./base.toml\"\nmachine.vcpus = 1\n"},
                                       {"./base.toml", "extends = \"rust\"\nmachine.vcpus = 2\n"},
                                       {"work", "machine.vcpus = 2\n"}});
  sources.is_trusted = [](const SourceText& source) { return !source.file.starts_with("./"); };
  const auto lines = [&](std::string_view name) {
    std::vector<Problem> problems;
    static_cast<void>(resolve_profile(name, std::nullopt, sources, problems));
    return format_all(problems);
  };
  CHECK(has_line(lines("./team.toml"), "guest.expose: a file in the workspace may only remove items"));
  CHECK(has_line(lines("./thief.toml"), "may only name a built-in profile"));
  CHECK(lines("./less.toml").empty());
}

TEST_CASE("nothing is trusted where nobody said what is") {
  ProfileSources sources = sources_of({{"mine", "guest.expose = [\"/srv/x\"]\n"}});
  sources.is_trusted = nullptr;
  std::vector<Problem> problems;
  static_cast<void>(resolve_profile("mine", std::nullopt, sources, problems));
  CHECK(has_line(format_all(problems), "guest.expose"));
}

}  // namespace agentvm::vmspec
