// nix_test.cpp - what a run becomes in a guest of NixOS: what is booted, shared, written and started.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/vmspec/support.hpp"
#include "vmspec/render/kernel_cmdline.hpp"
#include "vmspec/render/libvirt.hpp"

namespace agentvm::vmspec {

using testing::has_line;

namespace {

NixGuest some_nix_guest() {
  NixGuest guest;
  guest.built = true;
  guest.gc_root = "/home/me/.cache/agentvm/nix/roots/0123";
  guest.kernel_image = "/nix/store/k/bzImage";
  guest.kernel_elf = "/nix/store/k-dev/vmlinux";
  guest.kernel_version = "6.18.1";
  guest.initrd = "/nix/store/i/initrd";
  guest.kernel_params = {"console=hvc0", "init=/nix/store/s/init"};
  guest.store = "/nix/store";
  guest.user = "dev";
  guest.uid = 1007;
  guest.gid = 1008;
  guest.home = "/home/dev";
  guest.workspace = "/work";
  guest.agent = "/nix/store/c/bin/codex";
  guest.shell = "/nix/store/b/bin/bash";
  guest.path = "/run/wrappers/bin:/run/current-system/sw/bin";
  return guest;
}

struct NixRun {
  HostFacts facts = testing::debian_host();
  RunRequest request = testing::some_run();
  std::vector<Problem> problems;
  std::vector<std::string> lines;

  NixRun() {
    facts.nix_guest = some_nix_guest();
    // None of it is needed.
    facts.kernels.clear();
    facts.agentvm_guest.clear();
    facts.codex = {};
  }
  VmSpec plan(const std::string& text = {}) {
    problems.clear();
    const Profile profile =
        resolve_profile("mine", std::nullopt, testing::sources_of({{"mine", "extends = \"rust\"\n" + text}}), problems);
    VmSpec spec = make_vm_spec(profile, facts, request, problems);
    lines = testing::format_all(problems);
    return spec;
  }
};

const GuestFile* nix_file(const VmSpec& spec, const std::string& path) {
  const auto found =
      std::find_if(spec.files.begin(), spec.files.end(), [&](const GuestFile& file) { return file.path == path; });
  return found == spec.files.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("a nix guest brings its kernel and store and account and agent and of the host it sees the workspace alone") {
  NixRun run;
  const VmSpec spec = run.plan();
  for (const std::string& line : run.lines) FAIL_CHECK(line);
  CHECK(spec.image == GuestImage{.kind = GuestKind::nix,
                                 .kernel = "/nix/store/k/bzImage",
                                 .kernel_version = "6.18.1",
                                 .initramfs = "/nix/store/i/initrd",
                                 .path = "/run/wrappers/bin:/run/current-system/sw/bin",
                                 .kernel_params = {"console=hvc0", "init=/nix/store/s/init"},
                                 .gc_root = "/home/me/.cache/agentvm/nix/roots/0123"});
  CHECK(spec.shares == std::vector<ShareSpec>{{"workspace", "/home/me/app", "/work", false, ShareOwner::caller},
                                              {"ro-store", "/nix/store", "/nix/.ro-store", true, ShareOwner::root}});
  CHECK(spec.agent.argv.front() == "/nix/store/c/bin/codex");
  CHECK(spec.agent.cwd == "/work");
  CHECK(spec.agent.uid == 1007);
  CHECK(spec.agent.gid == 1008);
  CHECK(spec.agent.env.at("SHELL") == "/nix/store/b/bin/bash");
  CHECK(spec.agent.env.at("PATH") == spec.image.path);
  CHECK(spec.agent.env.at("HOME") == "/home/dev");
  CHECK(spec.agent.env.at("USER") == "dev");
  CHECK(spec.agent.env.at("CODEX_HOME") == "/home/dev/.codex");
  CHECK(has_line(spec.notes, "NixOS under Linux 6.18.1"));
}

TEST_CASE("the only files of a nix guest are the agent's own") {
  NixRun run;
  const VmSpec spec = run.plan();
  REQUIRE(spec.files.size() == 3);
  const GuestFile* guidance = nix_file(spec, "/home/dev/.codex/AGENTS.md");
  REQUIRE(guidance != nullptr);
  CHECK(guidance->uid == 1007);
  CHECK(guidance->gid == 1008);
  CHECK(guidance->content.find("The system is NixOS") != std::string::npos);
  CHECK(guidance->content.find("/work") != std::string::npos);
  const GuestFile* config = nix_file(spec, "/home/dev/.codex/config.toml");
  REQUIRE(config != nullptr);
  CHECK(config->content.find("[projects.\"/work\"]") != std::string::npos);
}

TEST_CASE("a nix guest is told who its caller is to Git too") {
  NixRun run;
  run.facts.git = {"Ann", "", {}};
  const VmSpec spec = run.plan();
  const GuestFile* config = nix_file(spec, "/run/agentvm/gitconfig");
  REQUIRE(config != nullptr);
  CHECK(config->content == "[user]\n\tname = \"Ann\"\n");
  CHECK(config->uid == 0);
}

TEST_CASE("an agent of the host's is shared with a nix guest whose /usr is not the host's") {
  NixRun run;
  run.facts.nix_guest->agent.reset();
  run.plan();
  CHECK(has_line(run.lines, "there is no Codex"));
  run.facts.codex = {"/usr/lib/codex/codex", "0.139.0"};
  const VmSpec spec = run.plan();
  CHECK(run.lines.empty());
  CHECK(spec.agent.argv.front() == "/run/agentvm/agent/codex");
  CHECK(spec.shares.back() == ShareSpec{"agent", "/usr/lib/codex", "/run/agentvm/agent", true, ShareOwner::root});
}

TEST_CASE("a store on a disk takes no share") {
  NixRun run;
  run.facts.nix_guest->store.clear();
  run.facts.nix_guest->store_disk = "/nix/store/d";
  const VmSpec spec = run.plan("store.share = \"closure\"\n");
  CHECK(run.lines.empty());
  REQUIRE(spec.shares.size() == 1);
  const std::string xml = render_libvirt_domain(spec, {"/c", "/ctl", "/svc", {"/fs0"}}, kernel_cmdline(spec), {});
  const std::size_t disk = xml.find("<disk type=\"file\" device=\"disk\">");
  REQUIRE(disk != std::string::npos);
  const std::string element = xml.substr(disk, xml.find("</disk>") - disk);
  CHECK(element.find("<source file=\"/nix/store/d\" />") != std::string::npos);
  CHECK(element.find("type=\"raw\"") != std::string::npos);
  CHECK(element.find("<readonly />") != std::string::npos);
}

TEST_CASE("what a nix guest's kernel is told") {
  NixRun run;
  const std::string line = kernel_cmdline(run.plan());
  CHECK(line ==
        "console=hvc0 init=/nix/store/s/init console=ttyS0 panic=-1 8250.nr_uarts=1 systemd.getty_auto=no "
        "systemd.tty.term.console=dumb "
        "systemd.machine_id=0123456789abcdef0123456789abcdef norandmaps agentvm.transport=virtio-serial");
  run.facts.nix_guest->kernel_params.assign(1900, "x");
  run.plan();
  CHECK(has_line(run.lines, "the kernel's command line would be"));
}

TEST_CASE("cloud-hypervisor boots the ELF kernel over vsock with the store as a share or as a disk") {
  NixRun run;
  run.facts.kvm = true;
  run.facts.programs["cloud-hypervisor"] = "/usr/bin/cloud-hypervisor";
  const VmSpec spec = run.plan();
  CHECK(run.lines.empty());
  CHECK(spec.hypervisor == HypervisorKind::cloud_hypervisor);
  CHECK(spec.image.kernel == "/nix/store/k-dev/vmlinux");
  CHECK(kernel_cmdline(spec).ends_with(" agentvm.transport=vsock"));
  run.facts.nix_guest->kernel_elf.clear();
  run.plan();
  CHECK(has_line(run.lines, "no kernel that cloud-hypervisor can boot"));
  run.facts.nix_guest = some_nix_guest();
  run.facts.nix_guest->store_disk = "/nix/store/d";
  run.facts.nix_guest->store.clear();
  const VmSpec disk = run.plan("store.share = \"closure\"\n");
  for (const std::string& problem : run.lines) FAIL_CHECK(problem);
  CHECK(disk.image.store_disk == "/nix/store/d");
  CHECK(disk.shares.size() == 1);
}

TEST_CASE("before it is built a plan is checked with what the profile tells") {
  NixRun run;
  run.facts.nix_guest = unbuilt_nix_guest(testing::builtin("rust"));
  const VmSpec spec = run.plan();
  CHECK(run.lines.empty());
  CHECK(spec.image.kind == GuestKind::nix);
  CHECK(spec.image.kernel.empty());
  CHECK(spec.agent.argv.front() == "codex");
  CHECK(spec.agent.cwd == "/workspace");
  CHECK(has_line(spec.notes, "has to build first"));
  run.plan("network.egress = \"proxy\"\n");
  CHECK(has_line(run.lines, "network.egress"));
}

TEST_CASE("of the host a nix guest needs neither tools nor exposed directories") {
  const RunRequest request = testing::some_run();
  const NeededFacts needed = needed_facts(testing::builtin("rust"), request, GuestKind::nix);
  CHECK(needed.programs == std::vector<std::string>{"mcp-nixos"});
  CHECK(needed.paths.empty());
  CHECK(needed.agent_package.empty());
  Profile own = testing::builtin("rust");
  own.agent.package = "host";
  CHECK(needed_facts(own, request, GuestKind::nix).agent_package == "host");
}

TEST_CASE("what only a nix guest can have is refused for a host guest and Nix that was passed over is said") {
  HostFacts facts = testing::debian_host();
  facts.nix_passed_over = true;
  std::vector<Problem> problems;
  const VmSpec spec = make_vm_spec(testing::builtin("default"), facts, testing::some_run(), problems);
  CHECK(problems.empty());
  CHECK(has_line(spec.notes, "`agentvm build`"));
  NixRun none;
  none.facts = testing::debian_host();
  none.plan("guest.source = \"nix\"\n");
  CHECK(has_line(none.lines, "there is no guest of NixOS to boot"));
  for (const char* text :
       {"guest.modules = [\"./x.nix\"]", "store.share = \"closure\"", "agent.package = \"nix:codex-cli-nix\""}) {
    CAPTURE(text);
    NixRun run;
    run.plan(std::string(text) + "\n");
    CHECK(run.lines.empty());
    run.facts = testing::debian_host();
    run.plan(std::string(text) + "\n");
    REQUIRE(run.lines.size() == 1);
    CHECK(run.problems[0].code == ExitCode::usage);
    CHECK(has_line(run.lines, "needs a guest of NixOS"));
  }
}

}  // namespace agentvm::vmspec
