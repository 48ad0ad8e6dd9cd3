// vm_spec.cpp - the plan of a run as JSON, both ways.
#include "vmspec/plan/vm_spec.hpp"

#include <nlohmann/json.hpp>

#include "base/json/bounded.hpp"
#include "vmspec/described_json.hpp"

namespace agentvm::vmspec {

// Every member of every struct: what is not listed here is not in spec.json.
BOOST_DESCRIBE_STRUCT(ShareSpec, (), (tag, source, mount_point, read_only, owner))
BOOST_DESCRIBE_STRUCT(GuestImage, (),
                      (kind, kernel, kernel_version, modules, initramfs, path, kernel_params, store_disk, gc_root,
                       devshell_root))
BOOST_DESCRIBE_STRUCT(GuestFile, (), (path, content, target, mode, uid, gid, directory))
BOOST_DESCRIBE_STRUCT(AgentSpec, (), (kind, argv, env, cwd, uid, gid, pty, stdin_null, timeout_ms, hook))
BOOST_DESCRIBE_STRUCT(KeySource, (), (kind, name, command))
BOOST_DESCRIBE_STRUCT(ModelSpec, (), (name, upstream, key))
BOOST_DESCRIBE_STRUCT(McpSpec, (), (name, command, tools_allow, tools_deny, arguments_deny, env, network))
BOOST_DESCRIBE_STRUCT(PublishSpec, (), (address, port, guest_port))
BOOST_DESCRIBE_STRUCT(PooledVm, (), (pool, name, shares, shared_links))
BOOST_DESCRIBE_STRUCT(VmSpec, (),
                      (name, uuid, profile, vcpus, memory_bytes, disk_bytes, hypervisor, accelerator, spare_ports,
                       gives_memory_back, connect, emulator, virtiofsd, bubblewrap, image, hostname, machine_id,
                       owner_uid, owner_gid, workspace, workspace_mode, shares, files, agent, model, mcp, egress,
                       publish, pooled, keep, detached, report_file, started_unix_ms, boot_timeout_ms, notes, advice))

namespace {

/// A profile's text, a prompt and the guest's files fit many times over.
constexpr JsonLimits limits{.bytes = max_spec_text, .depth = 16, .keys = 200'000};

}  // namespace

nlohmann::json to_json(const VmSpec& spec) {
  return DescribedJson::write(spec);
}

VmSpec vm_spec_from_json(const nlohmann::json& json) {
  VmSpec spec;
  DescribedJson::read(json, "spec", spec);
  return spec;
}

VmSpec parse_vm_spec(std::string_view text) {
  return vm_spec_from_json(parse_bounded_json(text, limits, "spec.json"));
}

}  // namespace agentvm::vmspec
