// text.hpp - a plan and a report as people read them.
#pragma once

#include <set>
#include <string>

#include "launcher/report/report.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::commands {

/// What is about to run and what will happen to the files, in a few lines, with the notes the user can act on (`all`:
/// with every note); for stderr.
std::string banner(const vmspec::VmSpec& spec, bool all = false);
/// The whole plan, for --dry-run.
std::string plan_text(const vmspec::VmSpec& spec);
/// What a report is read with.
struct ReportView {
  bool command = false;                ///< a command ran, no agent
  std::set<std::size_t> ignored = {};  ///< indices into the report's files: those that Git ignores
};
/// What a run amounted to. Everything in it that a guest may have written is made printable; of files that Git ignores
/// only their number in each directory is told.
std::string report_text(const supervisor::Report& report, const ReportView& view = {});

}  // namespace agentvm::commands
