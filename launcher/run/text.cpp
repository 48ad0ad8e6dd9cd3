// text.cpp - words for plans and reports.
#include "launcher/run/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "launcher/terminal/output.hpp"

namespace agentvm::commands {

using nlohmann::json;

namespace {

constexpr std::size_t most_files = 40;
constexpr std::size_t most_calls = 20;
constexpr std::size_t most_ignored = 8;
constexpr std::size_t longest_text = 100;

std::string guest_words(const vmspec::VmSpec& spec) {
  const std::string kind = spec.image.kind == vmspec::GuestKind::host ? "host guest" : "nix guest";
  if (spec.image.kernel.empty() && spec.image.kind == vmspec::GuestKind::nix) return kind + ", not built yet";
  return spec.image.kernel_version.empty() ? kind : fmt::format("{}, Linux {}", kind, spec.image.kernel_version);
}

std::string machine_words(const vmspec::VmSpec& spec) {
  const char* vmm = spec.hypervisor == vmspec::HypervisorKind::qemu ? "QEMU" : "cloud-hypervisor";
  return fmt::format("{} with {}, {} CPU{}, {}", vmm,
                     spec.accelerator == vmspec::Accelerator::kvm ? "KVM" : "emulation", spec.vcpus,
                     spec.vcpus == 1 ? "" : "s", human_bytes(spec.memory_bytes));
}

std::string pool_words(const vmspec::VmSpec& spec) {
  if (!spec.pooled) return "none: the VM is booted";
  if (spec.egress != vmspec::Egress::nat) return spec.pooled->pool + ": a VM of it, or one is booted where it has none";
  return spec.pooled->pool + ": its VMs have no network card, so one is booted";
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
  const std::string only = reached.empty() ? "the VM reaches nothing" : "the VM reaches " + reached;
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
  const std::vector<std::string>& argv = spec.agent.argv;
  for (std::size_t i = 0; i < argv.size(); ++i) {
    // Codex's settings are many and long, and would hide the rest: they are all in --json.
    if (spec.agent.kind == "codex" && argv[i] == "-c") {
      ++i;
    } else {
      line += (line.empty() ? "" : " ") + argv[i];
    }
  }
  return printable(line, longest_text);
}

/// One line of at most `longest_text` bytes, cut between characters.
std::string one_line(const std::string& text) {
  return printable(std::string_view(text).substr(0, text.find('\n')), longest_text);
}

std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// "  ignored by Git: 1489 in .venv/, 20 in target/": nothing that was changed goes untold, but not file by file.
std::string ignored_text(const supervisor::Report& report, const std::set<std::size_t>& ignored) {
  if (ignored.empty()) return {};
  std::map<std::string, std::size_t> counts;
  for (const std::size_t index : ignored) {
    const std::string& path = report.files[index].path;
    const auto slash = path.find('/');
    ++counts[slash == std::string::npos ? "." : path.substr(0, slash + 1)];
  }
  std::vector<std::pair<std::string, std::size_t>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  std::size_t more = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i >= most_ignored) {
      more += rows[i].second;
    } else {
      text += fmt::format("{}{} in {}", i == 0 ? "" : ", ", rows[i].second, one_line(rows[i].first));
    }
  }
  if (more > 0) text += fmt::format(", {} elsewhere", more);
  return "  files changed that Git ignores: " + text + "\n";
}

std::string files_text(const supervisor::Report& report, const std::set<std::size_t>& ignored) {
  std::vector<const supervisor::Report::FileChange*> files;
  for (std::size_t i = 0; i < report.files.size(); ++i) {
    if (!ignored.contains(i)) files.push_back(&report.files[i]);
  }
  if (report.files.empty()) {
    return report.files_truncated ? "  files changed: more than could be looked at\n" : "  files changed: none\n";
  }
  std::string text =
      files.empty() ? "  files changed: none\n"
                    : fmt::format("  files changed: {}{}\n", files.size(), report.files_truncated ? " and more" : "");
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < std::min(files.size(), most_files); ++i) {
    const auto& file = *files[i];
    const bool counted = file.added >= 0 && file.removed >= 0;
    rows.push_back({fmt::format("    {}", file.kind), one_line(file.path),
                    counted ? fmt::format("+{} -{}", file.added, file.removed) : "binary"});
  }
  text += table(rows);
  if (files.size() > most_files) text += fmt::format("    ... and {} more\n", files.size() - most_files);
  return text + ignored_text(report, ignored);
}

/// Before anything else of the files: the next `git status` would run it.
std::string git_text(const supervisor::Report& report) {
  if (report.git.empty()) return {};
  std::string text = "  Git on this host would now run what the run changed; look before you use Git there:\n";
  for (std::size_t i = 0; i < std::min(report.git.size(), most_files); ++i) {
    text += fmt::format("    {} {}\n", one_line(report.git[i].path), one_line(report.git[i].reason));
  }
  if (report.git.size() > most_files) text += fmt::format("    ... and {} more\n", report.git.size() - most_files);
  return text;
}

std::string dropped_text(const supervisor::Report& report) {
  std::string text;
  for (const auto& [kind, count] : report.dropped_events) {
    text += fmt::format("  {} more events of the kind {} were not kept\n", count, one_line(kind));
  }
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

std::string banner(const vmspec::VmSpec& spec, bool all) {
  std::string text =
      fmt::format("agentvm: {}: profile {}, {}; {}\n", spec.name, spec.profile, guest_words(spec), machine_words(spec));
  text += fmt::format("  workspace  {} on {}, {}\n", printable(spec.workspace),
                      spec.agent.cwd.empty() ? "/workspace" : spec.agent.cwd, workspace_words(spec.workspace_mode));
  text += fmt::format("  network    {}\n", network_words(spec));
  for (const std::string& note : all ? spec.notes : spec.advice) {
    text += fmt::format("  note       {}\n", printable(note));
  }
  return text;
}

std::string plan_text(const vmspec::VmSpec& spec) {
  std::vector<std::vector<std::string>> rows = {
      {"name", spec.name},
      {"profile", spec.profile},
      {"guest", guest_words(spec)},
      {"machine", machine_words(spec)},
      {"pool", pool_words(spec)},
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

std::string report_text(const supervisor::Report& report, const ReportView& view) {
  const std::string ended = view.command && report.ended == "agent ended" ? "command ended" : report.ended;
  std::string text = fmt::format("agentvm: {}: {}, exit code {}, after {}", report.name, one_line(ended),
                                 report.exit_code, human_time(report.total_ms));
  if (report.ready_ms > 0) text += fmt::format(" (ready after {})", human_time(report.ready_ms));
  text += "\n";
  text += git_text(report);
  if (report.agent_started_ms > 0) text += files_text(report, view.ignored);
  text += commands_text(report);
  text += mcp_text(parsed_array(report.mcp_calls_json));
  text += model_text(parsed_array(report.model_requests_json));
  text += dropped_text(report);
  return text;
}

}  // namespace agentvm::commands
