// parse.hpp - the command line as a value.
#pragma once

#include <string>
#include <vector>

#include "launcher/cli/options.hpp"

namespace agentvm::cli {

/// Turns arguments (without argv[0]) into what was asked for. --help and --version become PrintText. Throws an Error
/// with ExitCode::usage: one line, and as hint the nearest option or verb, or where help is.
commands::Invocation parse(const std::vector<std::string>& arguments);

}  // namespace agentvm::cli
