// text.hpp - a plan and a report as people read them.
#pragma once

#include <string>

#include "launcher/report/report.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::commands {

/// What is about to run and what will happen to the files, in a few lines; for stderr.
std::string banner(const vmspec::VmSpec& spec);
/// The whole plan, for --dry-run.
std::string plan_text(const vmspec::VmSpec& spec);
/// What a run amounted to. Everything in it that a guest may have written is made printable.
std::string report_text(const supervisor::Report& report);

}  // namespace agentvm::commands
