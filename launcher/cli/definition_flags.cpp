// definition_flags.cpp - the verbs about files of a project and of Nix: `agentvm definition`, `agentvm build`, `agentvm
// init`.
#include <CLI/App.hpp>

#include "launcher/cli/tree.hpp"

namespace agentvm::cli {

namespace {

void add_definition(CLI::App& tree, commands::DefinitionOptions& options) {
  CLI::App* verb = tree.add_subcommand("definition", "Print or write a profile as a microvm.nix machine");
  verb->add_option("--profile", options.profile, "the profile (default: what `agentvm run` would take here)")
      ->type_name("PROFILE");
  verb->add_option("-o,--output", options.output, "write the files there instead of printing them")->type_name("DIR");
  verb->add_flag("--json", options.json, "list the files as JSON, with their contents unless they are written");
  verb->add_flag("--force", options.force, "overwrite files that differ");
  verb->add_flag("--trust-workspace", options.trust_workspace,
                 "also accept keys of ./agentvm.toml that reach outside the VM");
  add_profile_flags(*verb, options.overrides);
  verb->footer(
      R"(The files are a flake that needs nothing of agentvm but its guest module: `nix build` builds what agentvm boots,
`nix build .#runner` what microvm.nix boots by itself. Each module of guest.modules is copied and must be a single file.

Examples:
  agentvm definition --profile rust
  agentvm definition --profile rust --output ./rust-vm
  agentvm definition --set store.share=closure --json | jq -r '.files[].name')");
}

void add_build(CLI::App& tree, commands::BuildOptions& options) {
  CLI::App* verb = tree.add_subcommand("build", "Have Nix build what the VMs of a profile boot");
  verb->add_option("--profile", options.profile, "the profile (default: what `agentvm run` would take here)")
      ->type_name("PROFILE");
  verb->add_flag("--update", options.update, "take the newest nixpkgs, agent and agentvm; build the devShell again");
  verb->add_flag("-q,--quiet", options.quiet, "do not show Nix's output");
  verb->add_flag("--trust-workspace", options.trust_workspace,
                 "also accept keys of ./agentvm.toml that reach outside the VM");
  add_profile_flags(*verb, options.overrides);
  verb->footer(
      R"(Prints a link to the result, which protects it from nix-collect-garbage; `agentvm gc` drops links not used for 30 days,
and with a profile's last link its locked inputs.
A result that exists is found without starting Nix. Size, network, model and variables of a VM are not part of it.
With guest.devshell the devShell of the current directory is built too; with guest.source = "host" nothing else is.

Examples:
  agentvm build --profile rust
  agentvm build --profile rust --update
  agentvm build --guest host --set guest.devshell=true)");
}

void add_init(CLI::App& tree, commands::InitOptions& options) {
  CLI::App* verb = tree.add_subcommand("init", "Write an agentvm.toml into a project");
  verb->add_option("directory", options.directory, "the project (default: .)")->type_name("DIR");
  verb->add_option("--profile", options.profile, "the profile it builds on (default: default)")->type_name("PROFILE");
  verb->add_flag("--agents-md", options.agents_md, "also an AGENTS.md for a Nix project");
  verb->add_flag("--force", options.force, "overwrite existing files");
  verb->footer("Examples:\n  agentvm init\n  agentvm init --profile rust --agents-md ./my-app");
}

}  // namespace

void add_definition_verbs(CLI::App& tree, Parsed& parsed) {
  add_definition(tree, parsed.definition);
  add_build(tree, parsed.build);
  add_init(tree, parsed.init);
}

}  // namespace agentvm::cli
