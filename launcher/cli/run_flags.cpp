// run_flags.cpp - the options of `agentvm run`.
#include <CLI/App.hpp>
#include <array>
#include <cstdlib>
#include <optional>

#include "launcher/cli/tree.hpp"
#include "vmspec/profile/problem.hpp"
#include "vmspec/profile/units.hpp"

namespace agentvm::cli {

using commands::Override;

namespace {

/// A flag for a profile key. List flags can be repeated and add to what the profile has. One that this version can
/// only refuse has no description, and is in neither help nor completion; so are such values not among `type`.
struct KeyFlag {
  const char* flags;
  const char* key;
  const char* type;
  const char* description;
  bool list = false;
};

constexpr std::array key_flags{
    KeyFlag{"--vcpus", "machine.vcpus", "N", "CPUs of the VM"},
    KeyFlag{"--memory", "machine.memory", "SIZE", "its memory, such as 4GiB"},
    KeyFlag{"--disk", "machine.disk", "SIZE", "size of its writable root, such as 8GiB"},
    KeyFlag{"--hypervisor", "machine.hypervisor", "auto|cloud-hypervisor|qemu", "what runs the VM"},
    KeyFlag{"--connect", "machine.connect", "embed|session|system|URI", "libvirt: where the VM is visible"},
    KeyFlag{"--pool", "pool", "NAME", "take a VM of this pool, which is booted already; else boot one"},
    KeyFlag{"--guest", "guest.source", "auto|nix|host", "what the VM boots"},
    KeyFlag{"--tool", "guest.tools.add", "COMMAND", "host guest: a command it must have (repeatable)", true},
    KeyFlag{"--expose", "guest.expose.add", "DIR", "host guest: one more read-only path (repeatable)", true},
    KeyFlag{"--workspace-mode", "workspace.mode", "shared|read-only", "what the agent may do to your files"},
    KeyFlag{"--mount", "workspace.mount", "PATH", "where the workspace is in the VM"},
    KeyFlag{"--hide", "workspace.hide.add", "GLOB", "", true},
    KeyFlag{"--egress", "network.egress", "auto|nat|none", "how the VM reaches the network"},
    KeyFlag{"--allow", "network.allow.add", "DOMAIN", "", true},
    KeyFlag{"--publish", "network.publish.add", "ADDRESS:PORT:GUEST_PORT",
            "offer a port of the VM on this machine (repeatable)", true},
    KeyFlag{"--agent", "agent.kind", "codex|command", "which agent to run"},
    KeyFlag{"--agent-package", "agent.package", "PACKAGE", "where the agent's program comes from"},
    KeyFlag{"--autonomy", "agent.autonomy", "full-auto|ask", "whether the agent asks before it acts"},
    KeyFlag{"--agent-arg", "agent.args.add", "ARG", "one more argument of the agent (repeatable)", true},
    KeyFlag{"--timeout", "agent.timeout", "TIME", "end the run after this time, such as 30m (exit code 124)"},
    KeyFlag{"--model", "model.name", "NAME", "the model"},
    KeyFlag{"--upstream", "model.upstream", "URL", "the model's endpoint"},
};

/// "NAME=VALUE" as an override of PREFIX.NAME.
Override assignment(const std::string& flag, const std::string& prefix, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw CLI::ValidationError(flag, vmspec::quote_value(text) + " is not of the form NAME=VALUE");
  }
  return {flag, prefix + text.substr(0, equals), {text.substr(equals + 1)}};
}

/// docker's meaning of a name alone: the caller's own value, and nothing when there is none.
std::optional<Override> variable(const std::string& text) {
  if (text.empty() || text.find('=') != std::string::npos) return assignment("--env", "agent.env.", text);
  const char* value = std::getenv(text.c_str());
  if (value == nullptr) return std::nullopt;
  return Override{"--env", "agent.env." + text, {value}};
}

std::int64_t boot_timeout_ms(const std::string& text) {
  constexpr std::int64_t day = 86'400'000;
  const auto time = vmspec::parse_duration(text);
  if (!time || *time <= 0 || *time > day) {
    throw CLI::ValidationError("--boot-timeout",
                               vmspec::quote_value(text) + " is not a time such as 90s or 10m, at most 1d");
  }
  return *time;
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
    option->type_name(flag.type)->group(*flag.description == '\0' ? "" : "Profile keys");
  }
  verb.add_option_function<std::vector<std::string>>(
          "--env",
          [&overrides](const std::vector<std::string>& values) {
            for (const std::string& text : values) {
              if (auto override_of = variable(text)) overrides.push_back(std::move(*override_of));
            }
          },
          "a variable of the agent; NAME alone passes yours on (repeatable)")
      ->allow_extra_args(false)
      ->type_name("NAME[=VALUE]")
      ->group("Profile keys");
  verb.add_option_function<std::vector<std::string>>(
          "--set",
          [&overrides](const std::vector<std::string>& values) {
            for (const std::string& text : values) overrides.push_back(assignment("--set", "", text));
          },
          "any key of a profile, such as --set agents_md.write=false (repeatable)")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE")
      ->group("Profile keys");
}

void add_run_settings(CLI::App& verb, commands::RunOptions& options) {
  verb.add_option_function<std::string>(
          "--boot-timeout", [&options](const std::string& text) { options.boot_timeout_ms = boot_timeout_ms(text); },
          "end a boot that gets no further for this time, such as 10m (default: 1m to 5m)")
      ->type_name("TIME");
  verb.add_flag("--trust-workspace", options.trust_workspace,
                "also accept keys of the workspace's agentvm.toml that reach outside the VM");
  add_profile_flags(verb, options.overrides);
}

void add_run(CLI::App& tree, commands::RunOptions& options) {
  CLI::App* verb =
      tree.add_subcommand("run", "Boot a VM, let the agent work on a directory in it, and take the VM away");
  verb->add_option("workspace", options.workspace, "the directory to work on (default: .)")->type_name("DIR");
  verb->add_option("--profile", options.profile, "the kind of VM; `agentvm profile list` shows them")
      ->type_name("PROFILE");
  verb->add_option("--name", options.name, "the VM's name (default: the workspace's)")->type_name("NAME");
  verb->add_option_function<std::string>(
          "-p,--prompt", [&options](const std::string& text) { options.prompt = text; }, "the task for the agent")
      ->type_name("TEXT");
  verb->add_option("--prompt-file", options.prompt_file, "read the prompt from a file; - is stdin")->type_name("FILE");
  verb->add_flag("--command", options.command, "run the command after -- instead of the agent");
  verb->add_flag("-d,--detach", options.detach, "return when the agent has started; print the VM's name");
  verb->add_flag("--keep", options.keep, "keep the VM after the agent has ended");
  verb->add_flag_callback(
      "-t,--tty", [&options] { options.tty = true; }, "give the agent a terminal, with a prompt too");
  verb->add_flag_callback(
      "--no-tty", [&options] { options.tty = false; }, "do not give the agent a terminal");
  verb->add_option("--report", options.report_file, "also write the report to this file, as JSON")->type_name("FILE");
  verb->add_flag("--json", options.json, "print events and the agent's output as JSON lines on stdout");
  verb->add_flag("--dry-run", options.dry_run, "print the plan (with --json: as JSON) and start nothing");
  add_run_settings(*verb, options);
  verb->footer(R"(Words after -- are the prompt, or with --command the command and its arguments.

Examples:
  agentvm run                                        the agent's own screen, on the current directory
  agentvm run --profile rust ./my-app -- fix the failing test
  agentvm run ./my-app --command -- make test        a command instead of the agent, with its exit code
  agentvm run -d --keep ./my-app -p "add a README"   in the background: agentvm attach, logs, stop
  agentvm run --dry-run --memory 8GiB ./my-app       only show what would be done

Exit code: the agent's own; 2 wrong usage, 124 timeout, 125 agentvm failed, 126 cannot start, 127 not found.)");
}

}  // namespace agentvm::cli
