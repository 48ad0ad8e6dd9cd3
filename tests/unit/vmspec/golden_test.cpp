// golden_test.cpp - whole runs: data/CASE/profile.toml becomes the plan and every rendering of it beside it.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/vmspec/support.hpp"
#include "vmspec/render/cloud_hypervisor.hpp"
#include "vmspec/render/kernel_cmdline.hpp"
#include "vmspec/render/libvirt.hpp"

namespace agentvm::vmspec {

namespace {

struct GoldenCase {
  const char* name;
  void (*adapt)(HostFacts& facts, RunRequest& request, LibvirtFeatures& features);
};

const GoldenCase golden_cases[] = {
    // Codex with a prompt on a Debian host without KVM: the first run of the README.
    {"rust-prompt", [](HostFacts&, RunRequest&, LibvirtFeatures&) {}},
    // A terminal, KVM, root on a workspace of somebody else, the system driver.
    {"terminal-kvm-root",
     [](HostFacts& facts, RunRequest& request, LibvirtFeatures& features) {
       facts.kvm = true;
       facts.uid = facts.gid = 0;
       facts.home = "/root";
       facts.codex = {"/usr/local/bin/codex", "0.139.0"};
       facts.found["mcp-files"] = "/usr/bin/mcp-files";
       facts.paths = {{"/opt/tool", {true, "/opt/tool-1.2", {"/opt/tool/bin"}}}};
       request.prompt.reset();
       request.tty = true;
       features.dac_label = LibvirtFeatures::Label{1001, 1001};
       features.firmware = "/usr/share/qemu/qboot.rom";
     }},
    // A command in a read-only workspace, no key, no MCP server.
    {"command-read-only",
     [](HostFacts& facts, RunRequest& request, LibvirtFeatures&) {
       facts.environment.clear();
       facts.found.clear();
       request.prompt.reset();
       request.command = std::vector<std::string>{"make", "test"};
       request.stdin_attached = true;
     }},
};

}  // namespace

TEST_CASE("golden runs") {
  for (const GoldenCase& one : golden_cases) {
    const std::string name = one.name;
    CAPTURE(name);
    std::vector<Problem> problems;
    const SourceText overlay{"agentvm.toml", testing::data_file(name + "/profile.toml")};
    REQUIRE_FALSE(overlay.text.empty());
    const Profile profile = resolve_profile("", overlay, testing::sources_of({}), problems);
    HostFacts facts = testing::debian_host();
    RunRequest request = testing::some_run();
    LibvirtFeatures features;
    one.adapt(facts, request, features);
    VmSpec spec = make_vm_spec(profile, facts, request, problems);
    for (const std::string& line : testing::format_all(problems)) FAIL_CHECK(line);
    spec.image.initramfs = "/home/me/.cache/agentvm/images/0123/initramfs.cpio";

    std::string config;
    for (const GuestFile& file : spec.files) {
      if (file.path.ends_with("/.codex/config.toml")) config = file.content;
    }
    LibvirtPaths paths{"/r/console.log", "/r/ctl.sock", "/r/svc.sock", {}};
    for (std::size_t i = 0; i < spec.shares.size(); ++i)
      paths.share_sockets.push_back("/r/fs" + std::to_string(i) + ".sock");
    testing::check_golden(name + "/shown.toml", render_profile(profile, true));
    testing::check_golden(name + "/spec.json", to_json(spec).dump(2) + "\n");
    testing::check_golden(name + "/domain.xml", render_libvirt_domain(spec, paths, kernel_cmdline(spec), features));
    // The same run under the other VMM.
    spec.hypervisor = HypervisorKind::cloud_hypervisor;
    const CloudHypervisorPaths others{"/r", "/r/console.fifo", "/r/vsock", paths.share_sockets};
    const CloudHypervisorFeatures landlock{.landlock = facts.kvm};
    testing::check_golden(name + "/vm-create.json",
                          render_vm_create(spec, others, kernel_cmdline(spec), landlock).dump(2) + "\n");
    if (!config.empty()) testing::check_golden(name + "/config.toml", config);
  }
}

}  // namespace agentvm::vmspec
