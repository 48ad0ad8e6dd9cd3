// tree.cpp - every verb but `run` with its options and examples.
#include "launcher/cli/tree.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <string>

namespace agentvm::cli {

namespace {

/// CLI11's help, with what follows "--" in the usage line and without its [SUBCOMMAND] jargon.
class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(34);
    label("Options", "Options");
    label("OPTIONS", "OPTIONS");
    label("SUBCOMMAND", "VERB");
    label("Subcommand", "Verb");
    label("Subcommands", "Verbs");
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = CLI::Formatter::make_usage(app, std::move(name));
    while (!usage.empty() && usage.back() == '\n') usage.pop_back();
    if (app->get_name() == "run") usage += " [-- ARG...]";
    if (app->get_name() == "exec") usage += " [--] CMD [ARG...]";
    return usage + "\n";
  }
};

CLI::Option* vm_name(CLI::App* verb, std::string& name, const char* description = "the VM's name") {
  return verb->add_option("name", name, description)->type_name("VM");
}

void add_exec(CLI::App& tree, commands::ExecOptions& options) {
  CLI::App* verb = tree.add_subcommand("exec", "Run a command in a VM");
  vm_name(verb, options.name)->required();
  verb->prefix_command();  // what follows the name is the command's
  verb->add_flag("-t,--tty", options.tty, "give it a terminal");
  verb->add_flag("-i,--interactive", options.interactive, "accepted as docker's: stdin is always passed on");
  verb->add_option("-u,--user", options.user, "run it as root or as a numeric uid (default: the agent)")
      ->type_name("USER");
  verb->add_option("-w,--workdir", options.directory, "run it in this directory (default: the workspace)")
      ->type_name("PATH");
  verb->add_option("-e,--env", options.environment, "a variable; NAME alone passes yours on (repeatable)")
      ->type_name("NAME[=VALUE]")
      ->allow_extra_args(false);
  verb->footer(R"(stdin, stdout, stderr and the exit code are the command's; 126: cannot be started, 127: not found.

Examples:
  agentvm exec my-app -- cargo test
  agentvm exec -t my-app -- htop
  agentvm exec -it my-app bash
  tar c src | agentvm exec my-app -- tar x -C /tmp)");
}

void add_shell_and_attach(CLI::App& tree, Parsed& parsed) {
  CLI::App* shell = tree.add_subcommand("shell", "Open a login shell in a VM");
  vm_name(shell, parsed.shell.name, "the VM's name (default: the current directory's VM, or the only one)");
  shell->add_flag("--root", parsed.shell.root, "as root");
  shell->footer("Examples:\n  agentvm shell\n  agentvm shell --root my-app");

  CLI::App* attach = tree.add_subcommand("attach", "Join the agent of a running VM");
  vm_name(attach, parsed.attach.name, "the VM's name (default: the current directory's VM, or the only one)");
  attach->footer(
      R"(Shows the last of the agent's output, then follows it. In a terminal, ctrl-p ctrl-q detaches and the agent keeps
running; without a terminal, ctrl-c does.

Examples:
  agentvm attach my-app)");
}

void add_views(CLI::App& tree, Parsed& parsed) {
  CLI::App* list = tree.add_subcommand("ls", "List the VMs");
  list->add_flag("--json", parsed.list.json, "as a JSON array");
  list->add_flag("-q,--quiet", parsed.list.quiet, "names only");
  list->footer("Examples:\n  agentvm ls\n  agentvm ls --json | jq '.[].workspace'");

  CLI::App* inspect = tree.add_subcommand("inspect", "Show everything known about a VM, as JSON");
  vm_name(inspect, parsed.inspect.name)->required();
  inspect->footer("Examples:\n  agentvm inspect my-app | jq .status");

  CLI::App* logs = tree.add_subcommand("logs", "Show what a VM has written");
  vm_name(logs, parsed.logs.name, "the VM's name (default: the current directory's VM, or the only one)");
  logs->add_flag("-f,--follow", parsed.logs.follow, "keep printing until the VM is gone");
  logs->add_option("--source", parsed.logs.source, "which log (default: agent)")
      ->type_name("agent|console|supervisor|mcp|model|virtiofsd|vmm|events");
  logs->footer("Examples:\n  agentvm logs -f my-app\n  agentvm logs --source console my-app");
}

void add_ends(CLI::App& tree, Parsed& parsed) {
  CLI::App* stop =
      tree.add_subcommand("stop", "Shut a VM down in order: the agent, the guest, then all that belongs to it");
  vm_name(stop, parsed.stop.name, "the VM's name (default: the current directory's VM, or the only one)");
  stop->add_option("--deadline", parsed.stop.deadline_seconds, "seconds the guest has to shut down (default: 10)")
      ->type_name("SECONDS");
  stop->footer(R"(A stopped VM cannot be started again. The logs of a VM made with --keep stay until `agentvm destroy`.

Examples:
  agentvm stop my-app)");

  CLI::App* destroy = tree.add_subcommand("destroy", "Kill VMs at once and remove all that belongs to them");
  destroy
      ->add_option("name", parsed.destroy.names, "their names (default: the current directory's VM, or the only one)")
      ->type_name("VM");
  destroy->add_flag("--all", parsed.destroy.all, "every VM");
  destroy->footer("Examples:\n  agentvm destroy\n  agentvm destroy my-app other-app\n  agentvm destroy --all");

  CLI::App* gc = tree.add_subcommand("gc", "Remove what dead VMs left behind, and unused images");
  gc->add_flag("--dry-run", parsed.gc.dry_run, "only say what would be removed");
  gc->add_flag("-q,--quiet", parsed.gc.quiet, "print failures only");
  gc->add_option("--vm", parsed.gc.vm, "only this VM")->type_name("VM")->group("");
  gc->footer(
      R"(An image is unused when no VM was started from it for 30 days; the newest one stays. nix-collect-garbage then frees
what Nix built. A profile that was not built or started for 30 days loses its locked inputs (the flake.lock in the
cache): its next build takes the newest.

Examples:
  agentvm gc --dry-run)");
}

void add_net(CLI::App& tree, commands::NetShowOptions& options) {
  CLI::App* verb = tree.add_subcommand("net", "Look at the network of the VMs");
  verb->require_subcommand(0, 1);
  CLI::App* show = verb->add_subcommand("show", "The bridge, the leases, and the firewall's rules in words");
  show->add_flag("--json", options.json, "as JSON");
  show->footer("Examples:\n  agentvm net show\n  agentvm net show --json | jq '.leases[].address'");
  verb->footer("Examples:\n  agentvm net show");
}

void add_doctor(CLI::App& tree, commands::DoctorOptions& options) {
  CLI::App* verb = tree.add_subcommand("doctor", "Check what this machine has and what is missing");
  verb->add_flag("--json", options.json, "as a JSON array");
  verb->footer("Exit code 1 when something required is missing.\n\nExamples:\n  agentvm doctor");
}

void add_profile(CLI::App& tree, Parsed& parsed) {
  CLI::App* verb = tree.add_subcommand("profile", "List, show and check profiles");
  verb->require_subcommand(0, 1);
  CLI::App* list = verb->add_subcommand("list", "The profiles there are");
  list->add_flag("--json", parsed.profile_list.json, "as a JSON array");
  list->add_flag("-q,--quiet", parsed.profile_list.quiet, "names only");
  list->footer("Examples:\n  agentvm profile list");
  CLI::App* show = verb->add_subcommand("show", "A profile with everything it extends, as TOML");
  show->add_option("name", parsed.profile_show.name, "a name or a file (default: what `agentvm run` would take here)")
      ->type_name("PROFILE");
  show->add_flag("--origins", parsed.profile_show.origins, "show where each key was set");
  add_profile_flags(*show, parsed.profile_show.overrides);
  show->footer("Examples:\n  agentvm profile show rust\n  agentvm profile show --origins ./agentvm.toml");
  CLI::App* check =
      verb->add_subcommand("check", "Check profiles as a run here would, and report all mistakes at once");
  check->add_option("name", parsed.profile_check.names, "names or files (default: what `agentvm run` would take here)")
      ->type_name("PROFILE");
  check->add_flag("--trust-workspace", parsed.profile_check.trust_workspace,
                  "let ./agentvm.toml set what reaches outside the VM too");
  check->footer("Exit code 2 when there is a mistake.\n\nExamples:\n  agentvm profile check rust ./agentvm.toml");
  verb->footer("Examples:\n  agentvm profile list\n  agentvm profile show rust");
}

void add_completion(CLI::App& tree) {
  CLI::App* verb = tree.add_subcommand("completion", "Print a completion script for a shell");
  verb->require_subcommand(0, 1);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    verb->add_subcommand(shell, std::string("for ") + shell);
  }
  verb->footer(R"(Examples:
  source <(agentvm completion bash)
  agentvm completion zsh > "${fpath[1]}/_agentvm"
  agentvm completion fish > ~/.config/fish/completions/agentvm.fish)");
}

/// Everywhere, so that `agentvm -v run` and `agentvm run -v` are the same. An unexpected word is kept, for parse.cpp to
/// find the nearest right one.
void add_common(CLI::App& app, commands::GlobalOptions& options) {
  app.allow_extras();
  app.set_help_flag("-h,--help", "show this help");
  app.add_flag_function(
      "-v,--verbose", [&options](std::int64_t times) { options.verbosity += static_cast<int>(times); },
      "print more to stderr (-vv adds timestamps)");
  app.add_flag("--no-color", options.no_color, "no colours (they are for terminals only; NO_COLOR does the same)");
  for (CLI::App* verb : app.get_subcommands({})) add_common(*verb, options);
}

}  // namespace

std::unique_ptr<CLI::App> make_tree(Parsed& parsed) {
  auto tree = std::make_unique<CLI::App>(
      "agentvm gives a coding agent a machine of its own, and one directory of yours", "agentvm");
  tree->formatter(std::make_shared<HelpFormatter>());
  tree->require_subcommand(0, 1);
  add_run(*tree, parsed.run);
  add_map(*tree, parsed.map);
  add_exec(*tree, parsed.exec);
  add_shell_and_attach(*tree, parsed);
  add_views(*tree, parsed);
  add_ends(*tree, parsed);
  add_net(*tree, parsed.net_show);
  add_pool(*tree, parsed.pool);
  add_doctor(*tree, parsed.doctor);
  add_profile(*tree, parsed);
  add_definition_verbs(*tree, parsed);
  add_completion(*tree);
  tree->set_version_flag("--version", "agentvm " AGENTVM_VERSION, "print the version");
  add_common(*tree, parsed.global);
  tree->footer(
      "`agentvm VERB --help` or `agentvm help VERB` has the options and examples of a verb.\n\nExamples:\n"
      "  agentvm run --profile rust ./my-app -- fix the failing test\n  agentvm ls\n  agentvm destroy my-app");
  return tree;
}

}  // namespace agentvm::cli
