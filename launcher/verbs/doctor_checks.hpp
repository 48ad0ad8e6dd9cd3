// doctor_checks.hpp - what agentvm needs of a machine, each looked at by trying it where that is possible.
#pragma once

#include <string>
#include <vector>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::commands {

struct Check {
  std::string what;  ///< "virtiofsd"
  bool good = false;
  bool required = true;
  std::string found;   ///< what is there: a path, a version, a number; or why it is not good
  std::string needed;  ///< what it is needed for, one clause
  std::string get;     ///< how to get it, a sentence; shown when it is not good
};

/// Runs all checks; takes a second or two, starts and ends a few processes, leaves nothing.
std::vector<Check> run_checks(const state::Roots& roots);

/// A line each for people; what is missing with how to get it.
std::string checks_text(const std::vector<Check>& checks, bool color);

}  // namespace agentvm::commands
