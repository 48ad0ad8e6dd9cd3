// text.cpp - words for plans and reports.
#include "launcher/run/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "launcher/terminal/output.hpp"

namespace agentvm::commands {

using nlohmann::json;

namespace {

constexpr std::size_t most_files = 40;
constexpr std::size_t most_calls = 20;
constexpr std::size_t longest_text = 100;

std::string guest_words(const vmspec::VmSpec& spec) {
  const std::string kind = spec.image.kind == vmspec::GuestKind::host ? "host guest" : "nix guest";
  if (spec.image.kernel.empty() && spec.image.kind == vmspec::GuestKind::nix) return kind + ", which would be built";
  return spec.image.kernel_version.empty() ? kind : fmt::format("{}, Linux {}", kind, spec.image.kernel_version);
}

std::string machine_words(const vmspec::VmSpec& spec) {
  const char* vmm = spec.hypervisor == vmspec::HypervisorKind::qemu ? "QEMU" : "cloud-hypervisor";
  return fmt::format("{} with {}, {} CPU{}, {}", vmm,
                     spec.accelerator == vmspec::Accelerator::kvm ? "KVM" : "emulation", spec.vcpus,
                     spec.vcpus == 1 ? "" : "s", human_bytes(spec.memory_bytes));
}

std::string workspace_words(vmspec::WorkspaceMode mode) {
  switch (mode) {
    case vmspec::WorkspaceMode::shared:
      return "shared: the agent edits your files directly";
    case vmspec::WorkspaceMode::read_only:
      return "read-only: the agent cannot change your files";
    case vmspec::WorkspaceMode::review:
      return "review: the agent's changes wait for you to apply them";
  }
  return {};
}

std::string network_words(const vmspec::VmSpec& spec) {
  std::string reached;
  const auto add = [&](const std::string& what) { reached += (reached.empty() ? "" : ", ") + what; };
  if (spec.model) add("the model at " + spec.model->upstream);
  for (const vmspec::McpSpec& server : spec.mcp) add("MCP server " + server.name);
  const std::string only = reached.empty() ? "nothing is reached from inside" : "reached from inside: " + reached;
  switch (spec.egress) {
    case vmspec::Egress::none:
      return "none; " + only;
    case vmspec::Egress::proxy:
      return "the allowed domains, through a proxy; " + only;
    case vmspec::Egress::nat:
      return "the internet, behind NAT; " + only;
  }
  return {};
}

std::string agent_words(const vmspec::VmSpec& spec) {
  std::string line;
  for (const std::string& word : spec.agent.argv) line += (line.empty() ? "" : " ") + word;
  line = printable(line);
  return line.size() > longest_text ? line.substr(0, longest_text) + "..." : line;
}

/// One line of at most `longest_text` bytes, cut between characters.
std::string one_line(const std::string& text) {
  std::string line = printable(text.substr(0, text.find('\n')));
  if (line.size() <= longest_text) return line;
  std::size_t end = longest_text;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;
  return line.substr(0, end) + "...";
}

std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string files_text(const supervisor::Report& report) {
  if (report.files.empty()) return "  files: no change\n";
  std::string text =
      fmt::format("  files changed: {}{}\n", report.files.size(), report.files_truncated ? " and more" : "");
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < std::min(report.files.size(), most_files); ++i) {
    const auto& file = report.files[i];
    const bool counted = file.added >= 0 && file.removed >= 0;
    rows.push_back({fmt::format("    {}", file.kind), one_line(file.path),
                    counted ? fmt::format("+{} -{}", file.added, file.removed) : "binary"});
  }
  text += table(rows);
  if (report.files.size() > most_files) text += fmt::format("    ... and {} more\n", report.files.size() - most_files);
  return text;
}

std::string commands_text(const supervisor::Report& report) {
  if (report.commands.empty()) return {};
  std::string text = fmt::format("  commands run: {}\n", report.commands.size());
  for (std::size_t i = 0; i < std::min(report.commands.size(), most_calls); ++i) {
    text += "    " + one_line(report.commands[i]) + "\n";
  }
  if (report.commands.size() > most_calls) {
    text += fmt::format("    ... and {} more\n", report.commands.size() - most_calls);
  }
  return text;
}

std::string mcp_text(const json& calls) {
  if (!calls.is_array() || calls.empty()) return {};
  std::string text = fmt::format("  MCP calls: {}\n", calls.size());
  for (std::size_t i = 0; i < std::min(calls.size(), most_calls); ++i) {
    const json& call = calls[i];
    const char* outcome = call.value("refused", false) ? "refused" : call.value("ok", false) ? "ok" : "failed";
    const json arguments = call.value("arguments", json::object());
    text += fmt::format("    {} {} {}: {}, {} ms\n", one_line(call.value("server", "")),
                        one_line(call.value("tool", "")), one_line(dumped(arguments)), outcome, call.value("ms", 0));
    const std::string answer = one_line(call.value("text", ""));
    if (!answer.empty()) text += "      " + answer + "\n";
  }
  if (calls.size() > most_calls) text += fmt::format("    ... and {} more\n", calls.size() - most_calls);
  return text;
}

std::string model_text(const json& requests) {
  if (!requests.is_array() || requests.empty()) return {};
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::size_t failed = 0;
  for (const json& request : requests) {
    sent += request.value("request_bytes", std::uint64_t{0});
    received += request.value("response_bytes", std::uint64_t{0});
    const int status = request.value("status", 0);
    if (status < 200 || status >= 300) ++failed;
  }
  const std::string failures = failed == 0 ? "" : fmt::format(" ({} failed)", failed);
  return fmt::format("  model requests: {}{}, {} sent, {} received\n", requests.size(), failures, human_bytes(sent),
                     human_bytes(received));
}

json parsed_array(const std::string& text) {
  json array = json::parse(text, nullptr, false);
  return array.is_array() ? array : json::array();
}

}  // namespace

std::string banner(const vmspec::VmSpec& spec) {
  std::string text =
      fmt::format("agentvm: {}: profile {}, {}; {}\n", spec.name, spec.profile, guest_words(spec), machine_words(spec));
  text += fmt::format("  workspace  {} on {}, {}\n", printable(spec.workspace),
                      spec.agent.cwd.empty() ? "/workspace" : spec.agent.cwd, workspace_words(spec.workspace_mode));
  text += fmt::format("  network    {}\n", network_words(spec));
  for (const std::string& note : spec.notes) text += fmt::format("  note       {}\n", printable(note));
  return text;
}

std::string plan_text(const vmspec::VmSpec& spec) {
  std::vector<std::vector<std::string>> rows = {
      {"name", spec.name},
      {"profile", spec.profile},
      {"guest", guest_words(spec)},
      {"machine", machine_words(spec)},
      {"disk", human_bytes(spec.disk_bytes) + " of the guest's memory at most, gone with it"},
      {"workspace", printable(spec.workspace) + ", " + workspace_words(spec.workspace_mode)},
      {"network", network_words(spec)},
      {spec.agent.kind == "command" ? "command" : "agent", agent_words(spec)},
      {"terminal", spec.agent.pty ? "yes" : "no"},
      {"afterwards", spec.keep ? "the VM stays until it is stopped or destroyed" : "the VM and its state are removed"},
  };
  for (const vmspec::ShareSpec& share : spec.shares) {
    rows.push_back({"share", fmt::format("{} on {}{}", printable(share.source), share.mount_point,
                                         share.read_only ? ", read-only" : "")});
  }
  for (const vmspec::GuestFile& file : spec.files) {
    if (!file.directory && file.target.empty()) rows.push_back({"file", file.path});
  }
  if (!spec.report_file.empty()) rows.push_back({"report", printable(spec.report_file)});
  for (const std::string& note : spec.notes) rows.push_back({"note", printable(note)});
  return table(rows);
}

std::string report_text(const supervisor::Report& report) {
  std::string text = fmt::format("agentvm: {}: {}, exit code {}, after {}", report.name, printable(report.ended),
                                 report.exit_code, human_time(report.total_ms));
  if (report.ready_ms > 0) text += fmt::format(" (ready after {})", human_time(report.ready_ms));
  text += "\n";
  if (report.agent_started_ms > 0) text += files_text(report);
  text += commands_text(report);
  text += mcp_text(parsed_array(report.mcp_calls_json));
  text += model_text(parsed_array(report.model_requests_json));
  return text;
}

}  // namespace agentvm::commands
