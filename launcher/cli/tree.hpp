// tree.hpp - the tree of verbs and options: what parsing, help and completion scripts are made from.
//
// The type name of an option or positional says what its values are: PROFILE, VM, DIR and FILE are completed as such,
// "a|b|c" are the possible words; anything else is free text.
#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>

#include "launcher/cli/options.hpp"

namespace agentvm::cli {

/// Where the tree stores what it parses; only the struct of the chosen verb means something.
struct Parsed {
  commands::GlobalOptions global;
  commands::RunOptions run;
  commands::MapOptions map;
  commands::ExecOptions exec;
  commands::ShellOptions shell;
  commands::AttachOptions attach;
  commands::ListOptions list;
  commands::InspectOptions inspect;
  commands::LogsOptions logs;
  commands::StopOptions stop;
  commands::DestroyOptions destroy;
  commands::GcOptions gc;
  commands::NetShowOptions net_show;
  commands::PoolOptions pool;
  commands::DoctorOptions doctor;
  commands::ProfileListOptions profile_list;
  commands::ProfileShowOptions profile_show;
  commands::ProfileCheckOptions profile_check;
  commands::DefinitionOptions definition;
  commands::BuildOptions build;
  commands::InitOptions init;
};

/// The whole tree; `parsed` must outlive it.
std::unique_ptr<CLI::App> make_tree(Parsed& parsed);

/// `run`, and the flags that override profile keys (also for `profile show`).
void add_run(CLI::App& tree, commands::RunOptions& options);
void add_profile_flags(CLI::App& verb, std::vector<commands::Override>& overrides);
void add_pool(CLI::App& tree, commands::PoolOptions& options);
/// What `run` and `map` share: how a VM comes up, and the flags that override profile keys.
void add_run_settings(CLI::App& verb, commands::RunOptions& options);
/// `map`.
void add_map(CLI::App& tree, commands::MapOptions& options);
/// The verbs about files of a project and of Nix: `definition`, `build`, `init`.
void add_definition_verbs(CLI::App& tree, Parsed& parsed);

}  // namespace agentvm::cli
