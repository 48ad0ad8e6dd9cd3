// completion.hpp - completion scripts for shells, made from the tree of verbs.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace agentvm::cli {

/// The script for "bash", "zsh" or "fish". VM and profile names are asked from `agentvm` when completing.
std::string completion_script(const CLI::App& tree, const std::string& shell);

}  // namespace agentvm::cli
