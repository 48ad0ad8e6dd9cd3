// plan_test.cpp - what a run becomes on a given host, and what stands against it.
#include "vmspec/plan/plan.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/unit/vmspec/support.hpp"

namespace agentvm::vmspec {

using testing::builtin;
using testing::debian_host;
using testing::format_all;
using testing::has_line;
using testing::some_run;

namespace {

struct Planned {
  VmSpec spec;
  std::vector<Problem> problems;
  std::vector<std::string> lines;
};

Planned plan(const Profile& profile, const HostFacts& facts = debian_host(), const RunRequest& request = some_run()) {
  Planned out;
  out.spec = make_vm_spec(profile, facts, request, out.problems);
  out.lines = format_all(out.problems);
  return out;
}

Profile with(const std::string& text) {
  std::vector<Problem> problems;
  Profile profile = resolve_profile("mine", std::nullopt,
                                    testing::sources_of({{"mine", "extends = \"default\"\n" + text}}), problems);
  for (const std::string& line : format_all(problems)) FAIL_CHECK(line);
  return profile;
}

const ShareSpec* share(const VmSpec& spec, const std::string& tag) {
  const auto found =
      std::find_if(spec.shares.begin(), spec.shares.end(), [&](const ShareSpec& one) { return one.tag == tag; });
  return found == spec.shares.end() ? nullptr : &*found;
}

RunRequest command_run(std::vector<std::string> argv) {
  RunRequest request = some_run();
  request.prompt.reset();
  request.command = std::move(argv);
  return request;
}

}  // namespace

TEST_CASE("what must be looked up") {
  const NeededFacts needed = needed_facts(builtin("rust"), some_run());
  CHECK(needed.programs == std::vector<std::string>{"cargo", "mcp-nixos", "rustc"});
  CHECK(needed.paths == std::vector<std::string>{"~/.rustup/toolchains", "~/.cargo/bin"});
  CHECK(std::count(needed.environment.begin(), needed.environment.end(), "OPENAI_API_KEY") == 1);
  CHECK(needed.agent_package == "auto");
  CHECK(needed_facts(builtin("rust"), command_run({"true"})).agent_package.empty());
}

TEST_CASE("machine: CPUs are clamped and said and KVM or why not is said") {
  const auto p = plan(builtin("default"));
  CHECK(p.lines.empty());
  CHECK(p.spec.vcpus == 4);
  CHECK(p.spec.accelerator == Accelerator::tcg);
  CHECK(has_line(p.spec.notes, "machine.vcpus is 4 instead of 8"));
  CHECK(has_line(p.spec.notes, "/dev/kvm is missing"));
  CHECK(has_line(p.spec.notes, "no network"));
  auto facts = debian_host();
  facts.kvm = true;
  facts.cpus = 64;
  const auto fast = plan(builtin("default"), facts);
  CHECK(fast.spec.vcpus == 8);
  CHECK(fast.spec.accelerator == Accelerator::kvm);
  CHECK_FALSE(has_line(fast.spec.notes, "machine.vcpus"));
  facts.memory_bytes = std::uint64_t{1} << 30;
  const auto small_host = plan(builtin("default"), facts);
  CHECK(small_host.lines.empty());
  CHECK(small_host.spec.memory_bytes == std::uint64_t{768} << 20);
  CHECK(has_line(small_host.spec.notes, "machine.memory is 768MiB instead of 4GiB: the host has 1GiB."));
}

TEST_CASE("more memory than the host has is refused to those who ask for it") {
  Profile profile = builtin("default");
  std::vector<Problem> problems;
  apply_override(profile, "machine.memory", "900GiB", "--memory", problems);
  CHECK(plan(profile).lines == std::vector<std::string>{"--memory: machine.memory: 900GiB is more than this host has "
                                                        "(16GiB); use 12GiB or less"});
}

TEST_CASE("a guest has the time to boot that its kind takes") {
  const auto timeout = [](bool nix, bool kvm, std::int64_t asked = 0) {
    auto facts = debian_host();
    facts.kvm = kvm;
    if (nix) facts.nix_guest = unbuilt_nix_guest(builtin("default"));
    auto request = command_run({"true"});
    request.boot_timeout_ms = asked;
    return plan(builtin("default"), facts, request).spec.boot_timeout_ms;
  };
  CHECK(timeout(true, false) == 300'000);
  CHECK(timeout(true, true) == 120'000);
  CHECK(timeout(false, false) == 90'000);
  CHECK(timeout(false, true) == 60'000);
  CHECK(timeout(true, false, 7000) == 7000);
}

TEST_CASE("shares: /usr and the workspace and the agent and what is exposed") {
  const auto p = plan(builtin("rust"));
  CHECK(p.lines.empty());
  REQUIRE(p.spec.shares.size() == 5);
  CHECK(p.spec.shares[0] == ShareSpec{"usr", "/usr", "/usr", true, ShareOwner::root});
  CHECK(*share(p.spec, "workspace") == ShareSpec{"workspace", "/home/me/app", "/workspace", false, ShareOwner::caller});
  CHECK(*share(p.spec, "agent") ==
        ShareSpec{"agent", "/home/me/.cache/agentvm/tools/codex/bin", "/run/agentvm/agent", true, ShareOwner::root});
  CHECK(p.spec.agent.argv[0] == "/run/agentvm/agent/codex");
  CHECK(share(p.spec, "expose2")->mount_point == "/home/agent/.rustup/toolchains");
  CHECK(share(p.spec, "expose2")->source == "/home/me/.rustup/toolchains");
  CHECK(share(p.spec, "expose3")->mount_point == "/home/agent/.cargo/bin");
  CHECK(p.spec.image.path ==
        "/home/agent/.rustup/toolchains/stable-x86_64/bin:/home/agent/.cargo/bin:/usr/lib/ccache:/usr/games:"
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  CHECK(p.spec.agent.env.at("PATH") == p.spec.image.path);
}

TEST_CASE("exposed paths: missing ones are skipped and said while files and links to secrets are refused") {
  auto facts = debian_host();
  facts.paths.clear();
  facts.found["cargo"] = facts.found["rustc"] = "/usr/bin/cargo";
  const auto skipped = plan(builtin("rust"), facts);
  CHECK(skipped.lines.empty());
  CHECK(has_line(skipped.spec.notes, "~/.cargo/bin is not on this host"));
  const Profile profile = with("[guest]\nexpose = [\"/opt/tool\"]\n");
  facts.paths = {{"/opt/tool", {false, "/opt/tool", {}}}};
  CHECK(has_line(plan(profile, facts).lines, "mine.toml:3:10: guest.expose: '/opt/tool' is a file"));
  facts.paths = {{"/opt/tool", {true, "/home/me/.ssh", {}}}};
  CHECK(has_line(plan(profile, facts).lines, "must not be shown to a guest"));
  facts.home = "/opt";
  facts.paths = {{"/opt/tool", {true, "/opt/.ssh", {}}}};
  CHECK(has_line(plan(profile, facts).lines, "must not be shown to a guest"));
}

TEST_CASE("an absolute exposed path keeps its place while one under /usr is there anyway") {
  auto facts = debian_host();
  facts.paths = {{"/opt/tool", {true, "/opt/tool-1.2", {"/opt/tool/bin"}}},
                 {"/usr/lib/go", {true, "/usr/lib/go", {"/usr/lib/go/bin"}}}};
  const auto p = plan(with("[guest]\nexpose = [\"/opt/tool\", \"/usr/lib/go\"]\n"), facts);
  CHECK(p.lines.empty());
  CHECK(share(p.spec, "expose2")->mount_point == "/opt/tool");
  CHECK(share(p.spec, "expose2")->source == "/opt/tool-1.2");
  CHECK(p.spec.image.path.starts_with("/opt/tool/bin:/usr/lib/go/bin:"));
}

TEST_CASE("tools: missing ones and ones the guest does not see are named") {
  auto facts = debian_host();
  facts.found.erase("cargo");
  facts.found["rustc"] = "/opt/rust/bin/rustc";
  const auto p = plan(builtin("rust"), facts);
  REQUIRE(p.problems.size() == 2);
  CHECK(p.problems[0].code == ExitCode::cannot_start);
  CHECK(has_line(p.lines, "guest.tools: 'cargo' is not installed on this host; install cargo (Debian)"));
  CHECK(has_line(p.lines, "'rustc' is /opt/rust/bin/rustc on this host, which the guest does not see"));
  CHECK(has_line(p.lines, "expose.add = [\"/opt/rust/bin\"]"));
  CHECK(p.lines[0].starts_with("built-in rust.toml:"));
}

TEST_CASE("missing programs of the host are all named with how to get them") {
  auto facts = debian_host();
  facts.programs.clear();
  facts.kernels.clear();
  facts.codex = {};
  facts.agentvm_guest.clear();
  facts.found.erase("mcp-nixos");
  const auto p = plan(builtin("default"), facts);
  REQUIRE(p.problems.size() == 6);
  CHECK(has_line(p.lines, "there is no QEMU, which runs the machine; install qemu-system-x86 (Debian)"));
  CHECK(has_line(p.lines, "there is no virtiofsd 1.13 or newer"));
  CHECK(has_line(p.lines, "there is no a Linux kernel") == false);
  CHECK(has_line(p.lines, "there is no Linux kernel"));
  CHECK(has_line(p.lines, "there is no agentvm-guest"));
  CHECK(has_line(p.lines, "there is no Codex, the agent; install it with `npm install -g @openai/codex`"));
  CHECK(has_line(
      p.lines,
      "mcp.nixos.command: 'mcp-nixos' is not installed on this host; install mcp-nixos with `pipx install mcp-nixos`"));
  CHECK(has_line(p.spec.notes, "sudo is not installed"));
  const auto codex = std::find_if(p.problems.begin(), p.problems.end(),
                                  [](const Problem& one) { return one.message.find("Codex") != std::string::npos; });
  REQUIRE(codex != p.problems.end());
  CHECK(codex->code == ExitCode::cannot_start);
}

TEST_CASE("a command needs neither Codex nor a key nor mcp-nixos") {
  auto facts = debian_host();
  facts.codex = {};
  facts.environment.clear();
  facts.found.clear();
  const auto p = plan(builtin("default"), facts, command_run({"sh", "-c", "exit 7"}));
  CHECK(p.lines.empty());
  CHECK(p.spec.agent.kind == "command");
  CHECK(p.spec.agent.argv == std::vector<std::string>{"sh", "-c", "exit 7"});
  CHECK_FALSE(p.spec.model.has_value());
  CHECK(p.spec.mcp.empty());
  CHECK_FALSE(has_line(p.spec.notes, "OPENAI_API_KEY"));
  CHECK_FALSE(has_line(p.spec.notes, "MCP server nixos"));
  // Neither does it start a built-in profile's server that is there; one of the caller's own is another matter.
  CHECK(plan(builtin("default"), debian_host(), command_run({"true"})).spec.mcp.empty());
  const auto own = plan(with("[mcp.mine]\ncommand = [\"mcp-nixos\"]\n"), debian_host(), command_run({"true"}));
  REQUIRE(own.spec.mcp.size() == 1);
  CHECK(own.spec.mcp.front().name == "mine");
}

TEST_CASE("no MCP server runs on the host without its sandbox") {
  auto facts = debian_host();
  facts.programs.erase("bwrap");
  CHECK(has_line(plan(builtin("default"), facts).lines, "there is no bubblewrap"));
  const auto p = plan(with("[mcp.mine]\ncommand = [\"mcp-nixos\"]\n"), facts, command_run({"true"}));
  CHECK(p.lines.empty());
  CHECK(p.spec.mcp.empty());
  CHECK(has_line(p.spec.advice, "MCP servers are left out"));
  CHECK(plan(with("[mcp.nixos]\ncommand = []\n"), facts).lines.empty());
}

TEST_CASE("Codex needs its key unless the model is on this machine") {
  auto facts = debian_host();
  facts.environment.erase("OPENAI_API_KEY");
  const auto p = plan(builtin("default"), facts);
  REQUIRE(p.problems.size() == 1);
  // A sentence, and three ways out in the one line after it.
  const Error error = problems_error(p.problems);
  CHECK(std::string(error.what()) == "there is no key for the model: OPENAI_API_KEY is not set");
  for (const char* way : {"export OPENAI_API_KEY=", "--set 'model.key={file=", "--upstream http://127.0.0.1:11434/v1",
                          "--command -- make test"}) {
    CHECK(error.hint().find(way) != std::string::npos);
  }
  RunRequest dry = some_run();
  dry.dry_run = true;
  const auto shown = plan(builtin("default"), facts, dry);
  CHECK(shown.lines.empty());
  CHECK(has_line(shown.spec.advice, "a run would be refused"));
  const auto local = plan(with("[model]\nupstream = \"http://127.0.0.1:8000/v1\"\n"), facts);
  CHECK(local.lines.empty());
  REQUIRE(local.spec.model.has_value());
  CHECK(local.spec.model->key.kind == KeySource::Kind::none);
  const auto file = plan(with("[model]\nkey = { file = \"~/key\" }\n"), facts);
  CHECK(file.lines.empty());
  CHECK(file.spec.model->key.name == "/home/me/key");
}

TEST_CASE("no key is anywhere in a plan") {
  const auto p = plan(builtin("default"));
  CHECK(to_json(p.spec).dump().find("sk-secret") == std::string::npos);
  CHECK_FALSE(p.spec.agent.env.contains("OPENAI_API_KEY"));
}

TEST_CASE("the agent: exec with a prompt and the terminal without one") {
  const auto exec = plan(builtin("default"));
  CHECK(exec.spec.agent.argv.back() == "make the tests pass");
  CHECK_FALSE(exec.spec.agent.pty);
  CHECK(exec.spec.agent.stdin_null);
  CHECK(exec.spec.agent.cwd == "/workspace");
  CHECK(exec.spec.agent.env.at("CODEX_HOME") == "/home/agent/.codex");
  CHECK_FALSE(exec.spec.agent.env.contains("TERM"));
  RunRequest request = some_run();
  request.prompt.reset();
  request.tty = true;
  const auto tui = plan(builtin("default"), debian_host(), request);
  CHECK(tui.lines.empty());
  CHECK(tui.spec.agent.pty);
  CHECK_FALSE(tui.spec.agent.stdin_null);
  CHECK(tui.spec.agent.env.at("TERM") == "xterm-kitty");
  CHECK(std::find(tui.spec.agent.argv.begin(), tui.spec.agent.argv.end(), "exec") == tui.spec.agent.argv.end());
  request.tty = false;
  CHECK(has_line(plan(builtin("default"), debian_host(), request).lines, "there is no prompt and no terminal"));
  request.tty = request.detached = true;
  CHECK(has_line(plan(builtin("default"), debian_host(), request).lines, "a detached run of Codex needs a prompt"));
  request.prompt = "";
  CHECK(has_line(plan(builtin("default"), debian_host(), request).lines, "is not a usable prompt"));
}

TEST_CASE("package managers know that there is no network unless the profile says otherwise") {
  CHECK(plan(builtin("default")).spec.agent.env.at("CARGO_NET_OFFLINE") == "true");
  CHECK(plan(with("agent.env = { CARGO_NET_OFFLINE = \"false\" }\n")).spec.agent.env.at("CARGO_NET_OFFLINE") ==
        "false");
}

TEST_CASE("a command's stdin is what the caller passes on") {
  RunRequest request = command_run({"cat"});
  CHECK(plan(builtin("default"), debian_host(), request).spec.agent.stdin_null);
  request.stdin_attached = true;
  CHECK_FALSE(plan(builtin("default"), debian_host(), request).spec.agent.stdin_null);
  request.detached = true;
  CHECK(plan(builtin("default"), debian_host(), request).spec.agent.stdin_null);
  CHECK(has_line(plan(builtin("default"), debian_host(), command_run({})).lines, "there is no command to run"));
}

TEST_CASE("arguments are appended after the profile's") {
  RunRequest request = some_run();
  request.agent_args = {"-c", "x=1"};
  const auto p = plan(with("agent.args = [\"--json\"]\n"), debian_host(), request);
  const auto& argv = p.spec.agent.argv;
  REQUIRE(argv.size() > 5);
  CHECK(std::vector<std::string>(argv.end() - 5, argv.end()) ==
        std::vector<std::string>{"--json", "-c", "x=1", "--", "make the tests pass"});
}

TEST_CASE("files belong to the caller or to the workspace's owner when root calls") {
  CHECK(plan(builtin("default")).spec.owner_uid == 1001);
  auto facts = debian_host();
  facts.uid = facts.gid = 0;
  facts.workspace_uid = 1500;
  facts.workspace_gid = 1501;
  const auto p = plan(builtin("default"), facts);
  CHECK(p.spec.owner_uid == 1500);
  CHECK(p.spec.owner_gid == 1501);
  CHECK(has_line(p.spec.notes, "belongs to 1500:1501"));
}

TEST_CASE("a workspace with a home or secrets in it is refused") {
  RunRequest request = some_run();
  for (const char* path : {"/", "/home", "/home/me", "/home/me/.ssh", "/etc", "relative", "/srv/a\nb"}) {
    CAPTURE(path);
    request.workspace = path;
    const auto p = plan(builtin("default"), debian_host(), request);
    REQUIRE(p.problems.size() == 1);
    CHECK(p.problems[0].code == ExitCode::usage);
    CHECK(has_line(p.lines, "the workspace"));
  }
}

TEST_CASE("names of VMs are checked") {
  RunRequest request = some_run();
  for (const std::string& name :
       {std::string(""), std::string("-a"), std::string("A"), std::string("a/b"), std::string(42, 'a')}) {
    CAPTURE(name);
    request.name = name;
    CHECK(has_line(plan(builtin("default"), debian_host(), request).lines, "cannot name a VM"));
  }
}

TEST_CASE("cloud-hypervisor runs the machine where it is found and KVM works") {
  HostFacts facts = debian_host();
  facts.programs["cloud-hypervisor"] = "/usr/bin/cloud-hypervisor";
  auto p = plan(builtin("default"), facts, some_run());
  CHECK(p.lines.empty());
  CHECK(p.spec.hypervisor == HypervisorKind::qemu);
  CHECK(has_line(p.spec.notes, "QEMU emulates the machine, which is slow: /dev/kvm is missing."));
  facts.kvm = true;
  p = plan(builtin("default"), facts, some_run());
  CHECK(p.lines.empty());
  CHECK(p.spec.hypervisor == HypervisorKind::cloud_hypervisor);
  CHECK(p.spec.emulator == "/usr/bin/cloud-hypervisor");
  CHECK(has_line(p.spec.notes, "cloud-hypervisor runs the machine with KVM."));
  facts.programs.erase("qemu");  // nothing is asked of it then
  CHECK(plan(builtin("default"), facts, some_run()).lines.empty());
  // Who wants to see the machine in virsh wants QEMU.
  p = plan(with("machine.connect = \"session\"\n"), debian_host(), some_run());
  CHECK(p.spec.hypervisor == HypervisorKind::qemu);
}

TEST_CASE("cloud-hypervisor that cannot run the machine is refused with each reason by itself") {
  HostFacts facts = debian_host();
  const Profile wanted = with("machine.hypervisor = \"cloud-hypervisor\"\n");
  auto p = plan(wanted, facts, some_run());
  REQUIRE(p.lines.size() == 2);
  CHECK(p.problems[0].key == "machine.hypervisor");
  CHECK(has_line(p.lines, "cloud-hypervisor needs KVM: /dev/kvm is missing"));
  CHECK(has_line(p.lines, "there is no cloud-hypervisor"));
  CHECK(has_line(p.lines, "AGENTVM_CLOUD_HYPERVISOR"));
  facts.kvm = true;
  facts.kvm_reason.clear();
  facts.programs["cloud-hypervisor"] = "/usr/bin/cloud-hypervisor";
  CHECK(plan(wanted, facts, some_run()).lines.empty());
  p = plan(with("machine.hypervisor = \"cloud-hypervisor\"\nmachine.connect = \"system\"\n"), facts, some_run());
  REQUIRE(p.lines.size() == 1);
  CHECK(p.problems[0].key == "machine.connect");
}

TEST_CASE("engines of later versions are refused each with its key and place") {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"workspace.mode", "\"review\""}, {"network.egress", "\"proxy\""}, {"network.allow", "[\"a.org\"]"},
      {"agent.kind", "\"claude\""},     {"agent.kind", "\"gemini\""},    {"agent.kind", "\"opencode\""},
      {"model.wire", "\"chat\""}};
  for (const auto& one : cases) {
    const std::string key = one.first;
    const std::string value = one.second;
    CAPTURE(key);
    CAPTURE(value);
    const auto p = plan(with(key + " = " + value + "\n"));
    REQUIRE(p.lines.size() == 1);
    CHECK(p.lines[0].starts_with("mine.toml:2:"));
    CHECK(p.problems[0].key == key);
    CHECK(p.problems[0].code == ExitCode::usage);
    CHECK(has_line(p.lines, "is not supported by this version of agentvm"));
  }
}

TEST_CASE("few notes are the user's to act on") {
  const auto p = plan(builtin("default"));
  CHECK(p.spec.advice.size() < p.spec.notes.size());
  CHECK(has_line(p.spec.advice, "QEMU emulates the machine"));
  CHECK_FALSE(has_line(p.spec.advice, "machine.vcpus"));
  CHECK_FALSE(has_line(p.spec.advice, "/usr"));
}

TEST_CASE("a prompt and a terminal are the agent's own screen with its first turn") {
  RunRequest request = some_run();
  request.tty = true;
  auto p = plan(builtin("default"), debian_host(), request);
  CHECK(p.spec.agent.pty);
  CHECK(std::count(p.spec.agent.argv.begin(), p.spec.agent.argv.end(), "exec") == 0);
  CHECK(p.spec.agent.argv.back() == *request.prompt);
  request.tty = false;
  p = plan(builtin("default"), debian_host(), request);
  CHECK_FALSE(p.spec.agent.pty);
  CHECK(p.spec.agent.argv[1] == "exec");
}

TEST_CASE("colours are the caller's choice") {
  HostFacts facts = debian_host();
  CHECK_FALSE(plan(builtin("rust"), facts).spec.agent.env.contains("NO_COLOR"));
  CHECK_FALSE(plan(builtin("rust"), facts).spec.agent.env.contains("CARGO_TERM_COLOR"));
  facts.environment["NO_COLOR"] = "1";
  CHECK(plan(builtin("rust"), facts).spec.agent.env.at("NO_COLOR") == "1");
}

TEST_CASE("nat where it works and without asking only where netd runs") {
  HostFacts facts = debian_host();
  facts.nat = {.works = false, .reason = "agentvm-netd is not running", .hint = "start it"};
  auto p = plan(with("network.egress = \"nat\"\n"), facts);
  REQUIRE(p.problems.size() == 1);
  CHECK(p.problems[0].code == ExitCode::cannot_start);
  CHECK(has_line(p.lines, "agentvm-netd is not running"));
  CHECK(has_line(p.lines, "start it"));
  CHECK(plan(builtin("default"), facts).spec.egress == Egress::none);

  facts.nat = {.works = true, .running = false};  // root, who would change the firewall first
  CHECK(plan(with("network.egress = \"nat\"\n"), facts).spec.egress == Egress::nat);
  CHECK(plan(builtin("default"), facts).spec.egress == Egress::none);
  CHECK(has_line(plan(builtin("default"), facts).spec.notes, "no network"));

  facts.nat.running = true;
  p = plan(builtin("default"), facts);
  CHECK(p.spec.egress == Egress::nat);
  CHECK_FALSE(has_line(p.spec.notes, "no network"));
  CHECK(plan(with("network.egress = \"none\"\n"), facts).spec.egress == Egress::none);

  CHECK(needed_facts(builtin("default"), some_run()).network);
  CHECK_FALSE(needed_facts(with("network.egress = \"none\"\n"), some_run()).network);
}

TEST_CASE("published ports are planned and said") {
  const auto p = plan(with("network.publish = [\"127.0.0.1:8080:80\", \"[::1]:8443:443\"]\n"));
  CHECK(p.lines.empty());
  CHECK(p.spec.publish == std::vector<PublishSpec>{{"127.0.0.1", 8080, 80}, {"::1", 8443, 443}});
  CHECK(has_line(p.spec.notes, "127.0.0.1:8080 of this host leads to port 80 of the guest."));
}

TEST_CASE("read-only and ask are carried out and said") {
  const auto p = plan(with("workspace.mode = \"read-only\"\nagent.autonomy = \"ask\"\n"));
  CHECK(p.lines.empty());
  CHECK(share(p.spec, "workspace")->read_only);
  CHECK(has_line(p.spec.notes, "nobody to ask"));
}

TEST_CASE("the agent's configuration and guidance lie in its home") {
  const auto find = [](const VmSpec& spec, const std::string& path) {
    return std::find_if(spec.files.begin(), spec.files.end(), [&](const GuestFile& file) { return file.path == path; });
  };
  const auto p = plan(builtin("default"));
  const auto config = find(p.spec, "/home/agent/.codex/config.toml");
  REQUIRE(config != p.spec.files.end());
  CHECK(config->mode == 0600);
  CHECK(config->uid == 1000);
  CHECK(find(p.spec, "/home/agent/.codex/AGENTS.md") != p.spec.files.end());
  const auto without = plan(with("agents_md.write = false\n"));
  CHECK(find(without.spec, "/home/agent/.codex/AGENTS.md") == without.spec.files.end());
}

}  // namespace agentvm::vmspec
