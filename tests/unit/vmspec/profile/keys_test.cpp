// keys_test.cpp - every key: what it takes, what it refuses, and how the refusal is worded.
#include <doctest/doctest.h>

#include "tests/unit/vmspec/support.hpp"
#include "vmspec/profile/keys.hpp"

namespace agentvm::vmspec {

using testing::has_line;
using testing::only_problem;
using testing::parse;

namespace {

/// "machine.vcpus", "8" as a text with the key where it belongs.
std::string assignment(const std::string& key, const std::string& value) {
  return key + " = " + value + "\n";
}

struct KeyCase {
  const char* key;
  std::vector<const char*> right;
  std::vector<const char*> wrong;
};

const std::vector<KeyCase>& key_cases() {
  static const std::vector<KeyCase> cases = {
      {"description", {R"("")", R"("Rust projects")"}, {"7", R"("two\nlines")", "[]"}},
      {"extends", {R"("default")", R"("./x.toml")"}, {"1", R"("")", R"("a b")", "[]"}},
      {"profile", {R"("rust")", R"({ name = "rust" })"}, {"1", R"({ name = 3 })", R"({ nam = "x" })"}},
      {"pool",
       {R"("")", R"("rust")", R"("a-1")"},
       {"1", R"("-a")", R"("A")", R"("a/b")", R"("abcdefghijklmnopqrstuvwxy")"}},
      {"machine.vcpus", {"1", "256"}, {"0", "257", "-1", "1.5", R"("8")", "true"}},
      {"machine.memory",
       {R"("256MiB")", R"("4G")", R"("16TiB")"},
       {R"("255MiB")", R"("17TiB")", "4096", R"("4")", R"("4GB")"}},
      {"machine.disk", {R"("64MiB")", R"("8GiB")"}, {R"("63MiB")", "8", R"("lots")"}},
      {"machine.hypervisor", {R"("auto")", R"("qemu")", R"("cloud-hypervisor")"}, {R"("xen")", "1", R"("")"}},
      {"machine.connect",
       {R"("embed")", R"("session")", R"("system")", R"("qemu:///session?x=1")", R"("qemu+ssh://h/system")"},
       {R"("xen:///")", R"("")", "true", R"("qemu:///\n")"}},
      {"guest.source", {R"("auto")", R"("nix")", R"("host")"}, {R"("docker")", "1"}},
      {"guest.packages",
       {"[]", R"(["cargo", "python3Packages.numpy", "gcc14"])"},
       {R"("cargo")", "[1]", R"(["a b"])", R"([".a"])", R"(["$x"])"}},
      {"guest.modules", {"[]", R"(["./extra.nix"])"}, {R"([""])", "3"}},
      {"guest.nixpkgs", {R"("github:NixOS/nixpkgs/nixos-unstable")"}, {R"("")", R"("a b")", "3"}},
      {"guest.image",
       {R"("")", R"("/nix/store/x-agentvm-work")"},
       {R"("store/x")", R"("~/x")", R"("/")", R"("/nix/../etc")", "1"}},
      {"guest.devshell", {"true", "false"}, {R"("yes")", "1"}},
      {"guest.tools", {"[]", R"(["cargo", "c++"])"}, {R"(["/bin/sh"])", R"(["-x"])", R"([""])", "{}", R"(["a;b"])"}},
      {"guest.expose",
       {"[]", R"(["~/.cargo/bin", "/opt/x/"])"},
       {R"(["relative"])", R"(["~/.ssh"])", R"(["/"])", R"(["~"])", R"(["/etc"])", R"(["/opt/../etc"])",
        R"(["/opt/a:b"])", R"("x")"}},
      {"guest.user",
       {R"("agent")", R"("_dev-1")"},
       {R"("root")", R"("Agent")", R"("")", R"("nobody")", R"("wheel")", R"("users")", R"("nixbld1")",
        R"("systemd-network")", R"("1a")", R"("a b")", R"("a/b")"}},
      {"store.share", {R"("auto")", R"("host")", R"("closure")"}, {R"("nfs")", "1"}},
      {"store.writable", {"true", "false"}, {"0"}},
      {"workspace.mode", {R"("shared")", R"("review")", R"("read-only")"}, {R"("readonly")", "1"}},
      {"workspace.mount",
       {R"("/workspace")", R"("/home/x/app/")"},
       {R"("workspace")", R"("/usr/app")", R"("/")", R"("/a/../b")", R"("/etc")", R"("/proc")", "1"}},
      {"workspace.hide", {"[]"}, {R"(["/etc/x"])", R"(["../x"])", R"([""])", R"(".env")"}},
      {"network.egress", {R"("auto")", R"("nat")", R"("proxy")", R"("none")"}, {R"("open")", "1"}},
      {"network.allow",
       {"[]", R"(["crates.io", "*.crates.io", "10.0.0.1"])"},
       {R"(["https://x.org"])", R"(["*"])", R"(["a.*.b"])", R"(["x:80"])", R"([""])", R"(["-a.b"])",
        R"(["*.1.2.3.4"])"}},
      {"network.publish",
       {"[]", R"(["127.0.0.1:8080:80", "[::1]:1:2"])"},
       {R"(["8080:80"])", R"(["127.0.0.1:0:80"])", R"(["127.0.0.1:8080:65536"])", R"(["localhost:1:2"])",
        R"(["256.0.0.1:1:2"])", R"(["[::zz]:1:2"])", R"([":::1"])"}},
      {"agent.kind", {R"("codex")", R"("claude")", R"("gemini")", R"("opencode")"}, {R"("cursor")", "1"}},
      {"agent.package",
       {R"("auto")", R"("host")", R"("nix:llm-agents#codex")", R"("/opt/codex")", R"("~/bin/codex")", R"("./codex")"},
       {R"("")", R"("codex")", R"("nix:")", "1", R"("/")"}},
      {"agent.autonomy", {R"("full-auto")", R"("ask")"}, {R"("yolo")", "1"}},
      {"agent.args", {"[]", R"(["--json", ""])"}, {R"("--json")", R"(["a\u0000b"])"}},
      {"agent.env", {"{}", R"({ A_1 = "x" })"}, {R"({ "1A" = "x" })", R"({ A = 1 })", R"({ "A=B" = "x" })", "[]"}},
      {"agent.timeout",
       {R"("0")", R"("90s")", R"("10m")", R"("2h")"},
       {"0", R"("90")", R"("-1s")", R"("31d")", R"("soon")"}},
      {"agent.command", {"[]", R"(["make", "test"])"}, {R"("make")", "[1]"}},
      {"model.name", {R"("gpt-5-codex")", R"("")"}, {"1", R"("a\nb")", R"("a\u009bb")"}},
      {"model.upstream",
       {R"("https://api.openai.com/v1")", R"("http://127.0.0.1:8000/v1")", R"("http://localhost")",
        R"("http://[::1]:9/")", R"("https://h:443")"},
       {R"("http://example.org")", R"("ftp://x")", R"("https://")", R"("https://u:p@h/")", R"("https://h/?k=1")",
        R"("https://h:0/")", R"("https://h:x/")", R"("http://127.evil.org/")", R"("http://localhost.evil.org/")",
        R"("https://a b/")", R"("https://[::1")", "1"}},
      {"model.key",
       {"{}", R"({ env = "K" })", R"({ file = "~/key" })", R"({ command = ["pass", "openai"] })"},
       {R"("sk-123")", R"({ env = "A B" })", R"({ file = "rel" })", "{ command = [] }", R"({ env = "A", file = "/b" })",
        R"({ variable = "A" })", "{ env = 1 }"}},
      {"model.wire", {R"("responses")", R"("chat")"}, {R"("grpc")", "1"}},
      {"mcp.nixos.command", {"[]", R"(["mcp-nixos", "-x"])"}, {R"("mcp-nixos")", "[1]"}},
      {"agents_md.write", {"true", "false"}, {R"("yes")"}},
  };
  return cases;
}

}  // namespace

TEST_CASE("every key of the table has a case here") {
  for (const KeyRule& rule : key_rules()) {
    const bool below_server = rule.key.starts_with("mcp.*.") && rule.key != "mcp.*.command";
    if (below_server) continue;  // a case of its own, below
    const std::string key = rule.key == "mcp.*.command" ? "mcp.nixos.command" : std::string(rule.key);
    CAPTURE(key);
    bool covered = false;
    for (const KeyCase& one : key_cases()) covered = covered || one.key == key;
    CHECK(covered);
  }
}

TEST_CASE("right values are taken and wrong ones refused with place and key") {
  for (const KeyCase& one : key_cases()) {
    for (const char* value : one.right) {
      const auto parsed = parse(assignment(one.key, value));
      CAPTURE(one.key);
      CAPTURE(value);
      for (const std::string& line : parsed.lines) FAIL_CHECK(line);
    }
    for (const char* value : one.wrong) {
      const auto parsed = parse(assignment(one.key, value));
      CAPTURE(one.key);
      CAPTURE(value);
      REQUIRE(!parsed.lines.empty());
      CHECK(parsed.lines[0].starts_with("p.toml:1:"));
      CHECK(parsed.problems[0].key.starts_with(one.key));
      CHECK(parsed.problems[0].column > 1);
    }
  }
}

TEST_CASE("values arrive") {
  const auto parsed = parse(R"(
description = "d"
[machine]
vcpus = 3
memory = "1536MiB"
disk = "1TiB"
hypervisor = "qemu"
connect = "session"
[guest]
source = "host"
packages = ["a"]
modules = ["./m.nix"]
nixpkgs = "github:a/b"
image = "/nix/store/x-agentvm-work"
devshell = true
tools = ["t"]
expose = ["/opt//x/"]
user = "dev"
[store]
share = "closure"
writable = false
[workspace]
mode = "review"
mount = "/code//"
hide = [".env"]
[network]
egress = "proxy"
allow = ["a.org"]
publish = ["127.0.0.1:1:2"]
[agent]
kind = "command"
package = "host"
autonomy = "ask"
args = ["-v"]
env = { A = "1" }
timeout = "2h"
command = ["make"]
[model]
name = "m"
upstream = "http://localhost:1/v1"
key = { command = ["pass", "x"] }
wire = "chat"
[mcp.nixos]
command = ["mcp-nixos"]
tools.deny = ["t1"]
arguments.deny = { nix = { action = ["store"] } }
[mcp.two]
command = ["two"]
tools.allow = ["t2"]
[agents_md]
write = false
)");
  for (const std::string& line : parsed.lines) FAIL_CHECK(line);
  const Profile& p = parsed.profile;
  CHECK(p.description == "d");
  CHECK(p.machine.vcpus == 3);
  CHECK(p.machine.memory_bytes == std::uint64_t{1536} << 20);
  CHECK(p.machine.disk_bytes == std::uint64_t{1} << 40);
  CHECK(p.machine.hypervisor == HypervisorChoice::qemu);
  CHECK(p.machine.connect == "session");
  CHECK(p.guest.source == GuestSource::host);
  CHECK(p.guest.packages == std::vector<std::string>{"a"});
  CHECK(p.guest.modules == std::vector<std::string>{"./m.nix"});
  CHECK(p.guest.nixpkgs == "github:a/b");
  CHECK(p.guest.image == "/nix/store/x-agentvm-work");
  CHECK(p.guest.devshell);
  CHECK(p.guest.tools == std::vector<std::string>{"t"});
  CHECK(p.guest.expose == std::vector<std::string>{"/opt/x"});
  CHECK(p.guest.user == "dev");
  CHECK(p.store.share == StoreShare::closure);
  CHECK_FALSE(p.store.writable);
  CHECK(p.workspace.mode == WorkspaceMode::review);
  CHECK(p.workspace.mount == "/code");
  CHECK(p.workspace.hide == std::vector<std::string>{".env"});
  CHECK(p.network.egress == EgressChoice::proxy);
  CHECK(p.network.allow == std::vector<std::string>{"a.org"});
  CHECK(p.network.publish == std::vector<std::string>{"127.0.0.1:1:2"});
  CHECK(p.agent.kind == AgentKind::command);
  CHECK(p.agent.package == "host");
  CHECK(p.agent.autonomy == Autonomy::ask);
  CHECK(p.agent.args == std::vector<std::string>{"-v"});
  CHECK(p.agent.env == std::map<std::string, std::string>{{"A", "1"}});
  CHECK(p.agent.timeout_ms == 7'200'000);
  CHECK(p.agent.command == std::vector<std::string>{"make"});
  CHECK(p.model.name == "m");
  CHECK(p.model.upstream == "http://localhost:1/v1");
  CHECK(p.model.key == KeySource{KeySource::Kind::command, "", {"pass", "x"}});
  CHECK(p.model.wire == ModelWire::chat);
  REQUIRE(p.mcp.size() == 2);
  CHECK(p.mcp.at("nixos").tools_deny == std::vector<std::string>{"t1"});
  CHECK(p.mcp.at("nixos").arguments_deny.at("nix").at("action") == std::vector<std::string>{"store"});
  CHECK(p.mcp.at("two").tools_allow == std::vector<std::string>{"t2"});
  CHECK_FALSE(p.agents_md.write);
  CHECK(p.origin("machine.vcpus") == Origin{"p.toml", 4, 9});
}

TEST_CASE("wording of a type and a range and a choice") {
  CHECK(only_problem("machine.vcpus = \"many\"\n") ==
        "p.toml:1:17: machine.vcpus: must be a whole number from 1 to 256 (got the string 'many')");
  CHECK(only_problem("machine.vcpus = 0\n") ==
        "p.toml:1:17: machine.vcpus: must be a whole number from 1 to 256 (got the number 0)");
  CHECK(only_problem("[agent]\nkind = \"codx\"\n") ==
        "p.toml:2:8: agent.kind: must be codex, claude, gemini, opencode or command (got the string 'codx'); did you "
        "mean 'codex'?");
}

TEST_CASE("unknown keys name the nearest one in the same table first") {
  CHECK(only_problem("[machine]\nmemroy = \"4GiB\"\n") ==
        "p.toml:2:1: machine.memroy: unknown key; did you mean 'memory'?");
  CHECK(only_problem("[machin]\nvcpus = 1\n") == "p.toml:1:2: machin: unknown key; did you mean 'machine'?");
  CHECK(only_problem("[machine]\nmount = \"/x\"\n") ==
        "p.toml:2:1: machine.mount: unknown key; did you mean 'workspace.mount'?");
  CHECK(only_problem("zzzzzz = 1\n") == "p.toml:1:1: zzzzzz: unknown key");
  CHECK(only_problem("[mcp.nixos]\ncommand = []\ntool.deny = []\n")
            .ends_with("mcp.nixos.tool: unknown key; did you mean 'tools'?"));
  CHECK(only_problem("[mcp.nixos]\ncommand = []\ntools.dny = []\n")
            .ends_with("mcp.nixos.tools.dny: unknown key; did you mean 'deny'?"));
  CHECK(only_problem("machine = 3\n") == "p.toml:1:11: machine: must be a table (got the number 3)");
}

TEST_CASE("servers have plain names") {
  CHECK(has_line(parse("[mcp.NixOS]\ncommand = [\"x\"]\n").lines, "mcp.NixOS: must be a server's name"));
  CHECK(has_line(parse("[mcp.\"a/../b\"]\ncommand = [\"x\"]\n").lines, "must be a server's name"));
  CHECK(has_line(parse("mcp.nixos = 3\n").lines, "mcp.nixos: must be a table (got the number 3)"));
}

TEST_CASE("keys of a server are checked") {
  CHECK(only_problem("[mcp.x]\ncommand = [\"x\"]\ntools.allow = 3\n").find("mcp.x.tools.allow: must be a list") !=
        std::string::npos);
  CHECK(only_problem("[mcp.x]\ncommand = [\"x\"]\narguments.deny = { nix = 3 }\n")
            .find("mcp.x.arguments.deny.nix: must be a table") != std::string::npos);
  CHECK(only_problem("[mcp.x]\ncommand = [\"x\"]\narguments.deny = { nix = { action = \"store\" } }\n")
            .find("must be a list") != std::string::npos);
  const auto wrong = [](const std::string& line, const std::string& words) {
    CAPTURE(line);
    CHECK(only_problem("[mcp.x]\ncommand = [\"x\"]\n" + line + "\n").find(words) != std::string::npos);
  };
  for (const char* host : {"https://x.org", "x y", "", "*.1.2.3.4", "x:0", "x:port", "x:1:2", "**", "[::1]:1"}) {
    wrong("network = [\"" + std::string(host) + "\"]", "mcp.x.network: each item must be a host");
  }
  wrong("network = \"none\"", "mcp.x.network: must be a list");
  wrong("env = { \"1A\" = \"x\" }", "mcp.x.env.1A: ");
  wrong("env = { A = 1 }", "mcp.x.env.A: must be a string");
  const auto parsed = parse(
      "[mcp.x]\ncommand = [\"x\"]\nenv = { A = \"1\" }\n"
      "network = [\"a.org\", \"*.b.org\", \"localhost:80\", \"10.0.0.1:8443\", \"*\"]\n");
  for (const std::string& line : parsed.lines) FAIL_CHECK(line);
  CHECK(parsed.profile.mcp.at("x").env == std::map<std::string, std::string>{{"A", "1"}});
  CHECK(parsed.profile.mcp.at("x").network.size() == 5);
}

TEST_CASE("five mistakes are five lines at their places") {
  const auto parsed = parse(
      "descripton = \"x\"\n"
      "[machine]\n"
      "vcpus = \"four\"\n"
      "memory = \"1MiB\"\n"
      "[workspace]\n"
      "mount = \"/etc\"\n"
      "[agent]\n"
      "kind = \"codexx\"\n");
  REQUIRE(parsed.lines.size() == 5);
  CHECK(parsed.lines[0].starts_with("p.toml:1:1: descripton: unknown key; did you mean 'description'?"));
  CHECK(parsed.lines[1].starts_with("p.toml:3:9: machine.vcpus: "));
  CHECK(parsed.lines[2].starts_with("p.toml:4:10: machine.memory: "));
  CHECK(parsed.lines[3].starts_with("p.toml:6:9: workspace.mount: "));
  CHECK(parsed.lines[4].starts_with("p.toml:8:8: agent.kind: "));
}

TEST_CASE("each wrong item of a list has its own place") {
  const auto parsed = parse("[guest]\ntools = [\"a\",\n  \"/b\",\n  3]\n");
  REQUIRE(parsed.lines.size() == 2);
  CHECK(parsed.lines[0].starts_with("p.toml:3:3: guest.tools: each item must be a command's name"));
  CHECK(parsed.lines[1].starts_with("p.toml:4:3: guest.tools: must be a list of strings (got the number 3)"));
}

TEST_CASE("text that is no TOML has a place too") {
  const std::string line = only_problem("[machine]\nvcpus = = 3\n");
  CHECK(line.starts_with("p.toml:2:"));
  CHECK(line.find("not valid TOML") != std::string::npos);
  CHECK(only_problem("vcpus = 1\nvcpus = 2\n").starts_with("p.toml:2:"));
  CHECK(only_problem("a = \"\xff\"\n").find("not valid TOML") != std::string::npos);
}

TEST_CASE("size and depth have limits") {
  CHECK(only_problem(std::string(max_profile_text + 1, '#')).find("at most 1048576 bytes") != std::string::npos);
  std::string deep = "a";
  for (int i = 0; i < 100000; ++i) deep += ".a";
  CHECK(only_problem(deep + " = 1\n").find("nested too deeply") != std::string::npos);
  CHECK(only_problem("[" + deep + "]\n").find("nested too deeply") != std::string::npos);
  CHECK_FALSE(parse("x = " + std::string(5000, '[')).lines.empty());
  CHECK(parse("description = \"" + std::string(1000, '.') + "\"\n").lines.empty());
  CHECK(parse("description = \"\"\"" + std::string(1000, '.') + "\"\"\"\n# " + std::string(1000, '.') + "\n")
            .lines.empty());
}

TEST_CASE("a name in quotes is one step - never a pattern of ours") {
  for (const char* text :
       {"\"mcp.*.command\" = [\"x\"]", "mcp.\"*\".command = [\"x\"]", "\"mcp.*\" = { command = [\"x\"] }",
        "\"mcp.*\".tools = { allow = [\"x\"] }", "\"mcp.*.tools\".deny = [\"x\"]", "mcp.\"x.command\" = [\"x\"]",
        "\"machine.vcpus\" = 3", "machine.\"\" = 3", "\"\" = 3", "\"*\" = 3", "machine.\"*\" = 3"}) {
    CAPTURE(text);
    const auto parsed = parse(text);
    CHECK(parsed.lines.size() == 1);
    CHECK(parsed.profile == Profile());
  }
  std::vector<Problem> problems;
  Profile profile;
  for (const char* key : {"mcp.*.command", "mcp.*", "*", "mcp..command"}) {
    apply_override(profile, key, "x", "--set", problems);
  }
  CHECK(problems.size() == 4);
  CHECK(profile == Profile());
}

TEST_CASE("a port without an address is met halfway") {
  CHECK(only_problem("network.publish = [\"8080:80\"]")
            .ends_with("(got the string '8080:80'); did you mean '127.0.0.1:8080:80'?"));
  CHECK(only_problem("network.publish = [\"8080\"]").ends_with("did you mean '127.0.0.1:8080:8080'?"));
  CHECK(only_problem("network.publish = [\"x:80\"]").ends_with("(got the string 'x:80')"));
}

TEST_CASE("no nesting is deep enough to end the program") {
  std::string dots;
  for (int i = 0; i < 30; ++i) dots += "a.";
  std::string levels = "x = ";
  for (int i = 0; i < 120; ++i) levels += "[\n{ " + dots + "a = ";
  CHECK_FALSE(parse(levels + "1").lines.empty());
  for (int i = 0; i < 120; ++i) levels += i == 0 ? "1 }\n]" : " }\n]";
  CHECK_FALSE(parse(levels).lines.empty());
  std::string hidden;
  for (int i = 0; i < 100'000; ++i) hidden += "a.";
  // Quotes that stand before the three that end a string begin no other.
  for (const char* before : {"\"\"\"a\"\"\"\"", "\"\"\"a\"\"\"\"\"", "'''a''''", "'''a'''''"}) {
    CHECK_FALSE(parse("x = [" + std::string(before) + ", { " + hidden + "a = 1 }]").lines.empty());
  }
  CHECK_FALSE(parse(hidden + "a = 1").lines.empty());
  CHECK_FALSE(parse("[" + hidden + "a]").lines.empty());
}

TEST_CASE("a file of nothing but mistakes is not answered with a longer one") {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "k" + std::to_string(i) + " = 1\n";
  CHECK(parse(text).lines.size() == max_problems + 1);
}

}  // namespace agentvm::vmspec
