// vm_spec.cpp - the plan of a run as JSON, both ways.
#include "vmspec/plan/vm_spec.hpp"

#include <nlohmann/json.hpp>

#include "vmspec/json_fields.hpp"
#include "vmspec/plan/names.hpp"

namespace agentvm::vmspec {

namespace {

using nlohmann::json;

json json_of(const ShareSpec& share) {
  return {{"tag", share.tag},
          {"source", share.source},
          {"mount_point", share.mount_point},
          {"read_only", share.read_only},
          {"owner", name_of(share.owner)}};
}

json json_of(const PublishSpec& publish) {
  return {{"address", publish.address}, {"port", publish.port}, {"guest_port", publish.guest_port}};
}

json json_of(const GuestImage& image) {
  return {{"kind", name_of(image.kind)},
          {"kernel", image.kernel},
          {"kernel_version", image.kernel_version},
          {"modules", image.modules},
          {"initramfs", image.initramfs},
          {"path", image.path},
          {"kernel_params", image.kernel_params},
          {"store_disk", image.store_disk},
          {"gc_root", image.gc_root},
          {"devshell_root", image.devshell_root}};
}

json json_of(const GuestFile& file) {
  return {{"path", file.path}, {"content", file.content}, {"target", file.target},      {"mode", file.mode},
          {"uid", file.uid},   {"gid", file.gid},         {"directory", file.directory}};
}

json json_of(const AgentSpec& agent) {
  return {{"kind", agent.kind},
          {"argv", agent.argv},
          {"env", agent.env},
          {"cwd", agent.cwd},
          {"uid", agent.uid},
          {"gid", agent.gid},
          {"pty", agent.pty},
          {"stdin_null", agent.stdin_null},
          {"timeout_ms", agent.timeout_ms},
          {"hook", agent.hook}};
}

json json_of(const ModelSpec& model) {
  return {{"name", model.name},
          {"upstream", model.upstream},
          {"key", {{"kind", name_of(model.key.kind)}, {"name", model.key.name}, {"command", model.key.command}}}};
}

json json_of(const McpSpec& mcp) {
  return {{"name", mcp.name},
          {"command", mcp.command},
          {"tools_allow", mcp.tools_allow ? json(*mcp.tools_allow) : json()},
          {"tools_deny", mcp.tools_deny},
          {"arguments_deny", mcp.arguments_deny},
          {"env", mcp.env},
          {"network", mcp.network}};
}

template <typename T>
json array_of(const std::vector<T>& items) {
  json out = json::array();
  for (const T& item : items) out.push_back(json_of(item));
  return out;
}

}  // namespace

// Found by JsonFields through the arguments' namespace.
static void read_fields(const JsonFields& fields, ShareSpec& share) {
  fields.read("tag", share.tag);
  fields.read("source", share.source);
  fields.read("mount_point", share.mount_point);
  fields.read("read_only", share.read_only);
  fields.read("owner", share.owner);
}

static void read_fields(const JsonFields& fields, GuestImage& image) {
  fields.read("kind", image.kind);
  fields.read("kernel", image.kernel);
  fields.read("kernel_version", image.kernel_version);
  fields.read("modules", image.modules);
  fields.read("initramfs", image.initramfs);
  fields.read("path", image.path);
  fields.read("kernel_params", image.kernel_params);
  fields.read("store_disk", image.store_disk);
  fields.read("gc_root", image.gc_root);
  fields.read("devshell_root", image.devshell_root);
}

static void read_fields(const JsonFields& fields, GuestFile& file) {
  fields.read("path", file.path);
  fields.read("content", file.content);
  fields.read("target", file.target);
  fields.read("mode", file.mode);
  fields.read("uid", file.uid);
  fields.read("gid", file.gid);
  fields.read("directory", file.directory);
}

static void read_fields(const JsonFields& fields, AgentSpec& agent) {
  fields.read("kind", agent.kind);
  fields.read("argv", agent.argv);
  fields.read("env", agent.env);
  fields.read("cwd", agent.cwd);
  fields.read("uid", agent.uid);
  fields.read("gid", agent.gid);
  fields.read("pty", agent.pty);
  fields.read("stdin_null", agent.stdin_null);
  fields.read("timeout_ms", agent.timeout_ms);
  fields.read("hook", agent.hook);
}

static void read_fields(const JsonFields& fields, KeySource& key) {
  fields.read("kind", key.kind);
  fields.read("name", key.name);
  fields.read("command", key.command);
}

static void read_fields(const JsonFields& fields, ModelSpec& model) {
  fields.read("name", model.name);
  fields.read("upstream", model.upstream);
  fields.read("key", model.key);
}

static void read_fields(const JsonFields& fields, McpSpec& mcp) {
  fields.read("name", mcp.name);
  fields.read("command", mcp.command);
  fields.read("tools_allow", mcp.tools_allow);
  fields.read("tools_deny", mcp.tools_deny);
  fields.read("arguments_deny", mcp.arguments_deny);
  fields.read("env", mcp.env);
  fields.read("network", mcp.network);
}

static void read_fields(const JsonFields& fields, PublishSpec& publish) {
  fields.read("address", publish.address);
  fields.read("port", publish.port);
  fields.read("guest_port", publish.guest_port);
}

json to_json(const VmSpec& spec) {
  return {{"name", spec.name},
          {"uuid", spec.uuid},
          {"profile", spec.profile},
          {"vcpus", spec.vcpus},
          {"memory_bytes", spec.memory_bytes},
          {"disk_bytes", spec.disk_bytes},
          {"hypervisor", name_of(spec.hypervisor)},
          {"accelerator", name_of(spec.accelerator)},
          {"connect", spec.connect},
          {"emulator", spec.emulator},
          {"virtiofsd", spec.virtiofsd},
          {"bubblewrap", spec.bubblewrap},
          {"image", json_of(spec.image)},
          {"hostname", spec.hostname},
          {"machine_id", spec.machine_id},
          {"owner_uid", spec.owner_uid},
          {"owner_gid", spec.owner_gid},
          {"workspace", spec.workspace},
          {"workspace_mode", name_of(spec.workspace_mode)},
          {"shares", array_of(spec.shares)},
          {"files", array_of(spec.files)},
          {"agent", json_of(spec.agent)},
          {"model", spec.model ? json_of(*spec.model) : json()},
          {"mcp", array_of(spec.mcp)},
          {"egress", name_of(spec.egress)},
          {"publish", array_of(spec.publish)},
          {"keep", spec.keep},
          {"detached", spec.detached},
          {"report_file", spec.report_file},
          {"started_unix_ms", spec.started_unix_ms},
          {"notes", spec.notes}};
}

VmSpec vm_spec_from_json(const json& document) {
  const JsonFields fields(document, "spec");
  VmSpec spec;
  fields.read("name", spec.name);
  fields.read("uuid", spec.uuid);
  fields.read("profile", spec.profile);
  fields.read("vcpus", spec.vcpus);
  fields.read("memory_bytes", spec.memory_bytes);
  fields.read("disk_bytes", spec.disk_bytes);
  fields.read("hypervisor", spec.hypervisor);
  fields.read("accelerator", spec.accelerator);
  fields.read("connect", spec.connect);
  fields.read("emulator", spec.emulator);
  fields.read("virtiofsd", spec.virtiofsd);
  fields.read("bubblewrap", spec.bubblewrap);
  fields.read("image", spec.image);
  fields.read("hostname", spec.hostname);
  fields.read("machine_id", spec.machine_id);
  fields.read("owner_uid", spec.owner_uid);
  fields.read("owner_gid", spec.owner_gid);
  fields.read("workspace", spec.workspace);
  fields.read("workspace_mode", spec.workspace_mode);
  fields.read("shares", spec.shares);
  fields.read("files", spec.files);
  fields.read("agent", spec.agent);
  fields.read("model", spec.model);
  fields.read("mcp", spec.mcp);
  fields.read("egress", spec.egress);
  fields.read("publish", spec.publish);
  fields.read("keep", spec.keep);
  fields.read("detached", spec.detached);
  fields.read("report_file", spec.report_file);
  fields.read("started_unix_ms", spec.started_unix_ms);
  fields.read("notes", spec.notes);
  return spec;
}

}  // namespace agentvm::vmspec
