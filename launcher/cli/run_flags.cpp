// run_flags.cpp - the options of `agentvm run`.
#include <CLI/App.hpp>
#include <array>

#include "launcher/cli/tree.hpp"

namespace agentvm::cli {

using commands::Override;

namespace {

/// A flag for a profile key. List flags can be repeated and add to what the profile has.
struct KeyFlag {
  const char* flags;
  const char* key;
  const char* type;
  const char* description;
  bool list = false;
};

constexpr std::array key_flags{
    KeyFlag{"--vcpus", "machine.vcpus", "N", "CPUs of the VM"},
    KeyFlag{"--memory", "machine.memory", "SIZE", "its memory, as 4GiB"},
    KeyFlag{"--disk", "machine.disk", "SIZE", "space of its writable root, as 8GiB"},
    KeyFlag{"--hypervisor", "machine.hypervisor", "auto|cloud-hypervisor|qemu", "who runs the VM"},
    KeyFlag{"--connect", "machine.connect", "embed|session|system|URI", "libvirt: where the VM is visible"},
    KeyFlag{"--guest", "guest.source", "auto|nix|host", "what the VM boots"},
    KeyFlag{"--tool", "guest.tools.add", "COMMAND", "host guest: a command that must be there (repeatable)", true},
    KeyFlag{"--expose", "guest.expose.add", "DIR", "host guest: one more read-only path (repeatable)", true},
    KeyFlag{"--workspace-mode", "workspace.mode", "shared|review|read-only", "what the agent may do to your files"},
    KeyFlag{"--mount", "workspace.mount", "PATH", "where the workspace is in the VM"},
    KeyFlag{"--hide", "workspace.hide.add", "GLOB", "review mode: files shown empty (repeatable)", true},
    KeyFlag{"--egress", "network.egress", "auto|nat|proxy|none", "how the VM reaches the network"},
    KeyFlag{"--allow", "network.allow.add", "DOMAIN", "proxy: one more allowed domain (repeatable)", true},
    KeyFlag{"--publish", "network.publish.add", "ADDRESS:PORT:PORT", "a port of the VM on the host (repeatable)", true},
    KeyFlag{"--agent", "agent.kind", "codex|claude|gemini|opencode|command", "which agent works"},
    KeyFlag{"--agent-package", "agent.package", "PACKAGE", "where the agent's program comes from"},
    KeyFlag{"--autonomy", "agent.autonomy", "full-auto|ask", "whether the agent asks before it acts"},
    KeyFlag{"--agent-arg", "agent.args.add", "ARG", "one more argument of the agent (repeatable)", true},
    KeyFlag{"--timeout", "agent.timeout", "TIME", "ends the run with exit code 124, as 30m"},
    KeyFlag{"--model", "model.name", "NAME", "the model"},
    KeyFlag{"--upstream", "model.upstream", "URL", "the model's endpoint"},
};

/// "NAME=VALUE" as an override of PREFIX.NAME; the text without "=" is left to be complained about by the profile's
/// rules.
Override assignment(const std::string& flag, const std::string& prefix, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw CLI::ValidationError(flag, "'" + text + "' has no NAME=VALUE form");
  }
  return {flag, prefix + text.substr(0, equals), {text.substr(equals + 1)}};
}

}  // namespace

void add_profile_flags(CLI::App& verb, std::vector<Override>& overrides) {
  for (const KeyFlag& flag : key_flags) {
    const std::string name = flag.flags;
    const std::string key = flag.key;
    CLI::Option* option = nullptr;
    if (flag.list) {
      option = verb.add_option_function<std::vector<std::string>>(
          name,
          [&overrides, name, key](const std::vector<std::string>& values) {
            overrides.push_back({name, key, values});
          },
          flag.description);
      option->allow_extra_args(false);
    } else {
      option = verb.add_option_function<std::string>(
          name,
          [&overrides, name, key](const std::string& value) {
            overrides.push_back({name, key, {value}});
          },
          flag.description);
    }
    option->type_name(flag.type)->group("Profile keys");
  }
  const auto add_assignments = [&](const std::string& flag, const std::string& prefix, const char* type,
                                   const char* description) {
    verb.add_option_function<std::vector<std::string>>(
            flag,
            [&overrides, flag, prefix](const std::vector<std::string>& values) {
              for (const std::string& text : values) overrides.push_back(assignment(flag, prefix, text));
            },
            description)
        ->allow_extra_args(false)
        ->type_name(type)
        ->group("Profile keys");
  };
  add_assignments("--env", "agent.env.", "NAME=VALUE", "a variable of the agent (repeatable)");
  add_assignments("--set", "", "KEY=VALUE", "any key of a profile, as --set agents_md.write=false (repeatable)");
}

void add_run(CLI::App& tree, commands::RunOptions& options) {
  CLI::App* verb =
      tree.add_subcommand("run", "Boot a VM, let the agent work on a directory in it, and take the VM away");
  verb->add_option("workspace", options.workspace, "the directory to work on (default: .)")->type_name("DIR");
  verb->add_option("--profile", options.profile, "what the VM is like; `agentvm profile list` has them")
      ->type_name("PROFILE");
  verb->add_option("--name", options.name, "the VM's name (default: after the workspace)")->type_name("NAME");
  verb->add_option_function<std::string>(
          "-p,--prompt", [&options](const std::string& text) { options.prompt = text; }, "what the agent shall do")
      ->type_name("TEXT");
  verb->add_option("--prompt-file", options.prompt_file, "a file with the prompt; - is stdin")->type_name("FILE");
  verb->add_flag("--command", options.command, "run the command after -- instead of the agent");
  verb->add_flag("-d,--detach", options.detach, "return when the agent has started; print the VM's name");
  verb->add_flag("--keep", options.keep, "keep the VM when the agent has ended");
  verb->add_flag_callback(
      "-t,--tty", [&options] { options.tty = true; }, "give the agent a terminal in any case");
  verb->add_flag_callback(
      "--no-tty", [&options] { options.tty = false; }, "never give it one");
  verb->add_option("--report", options.report_file, "write the report there too, as JSON")->type_name("FILE");
  verb->add_flag("--json", options.json, "print what happens as JSON lines on stdout, the agent's output among them");
  verb->add_flag("--dry-run", options.dry_run, "print the plan (with --json: as JSON) and start nothing");
  verb->add_flag("--trust-workspace", options.trust_workspace,
                 "let the workspace's agentvm.toml set what reaches outside the VM too");
  add_profile_flags(*verb, options.overrides);
  verb->footer(R"(Arguments after -- are the prompt, or with --command the command and its arguments.

Examples:
  agentvm run                                        the agent's own screen, on the current directory
  agentvm run --profile rust ./my-app -- fix the failing test
  agentvm run ./my-app --command -- make test        a command instead of the agent; its exit code is ours
  agentvm run -d --keep ./my-app -p "add a README"   in the background: agentvm attach, logs, stop
  agentvm run --dry-run --memory 8GiB ./my-app       what would be done

Exit code: the agent's own; 2 wrong usage, 124 timeout, 125 agentvm failed, 126 cannot start, 127 not found.)");
}

}  // namespace agentvm::cli
