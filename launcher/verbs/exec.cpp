// exec.cpp - agentvm exec and agentvm shell.
#include <charconv>
#include <cstdlib>

#include "base/error.hpp"
#include "launcher/client/remote_process.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/terminal/terminal.hpp"
#include "launcher/verbs/verbs.hpp"
#include "vmspec/plan/guest_files.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::commands {

namespace {

/// What the caller's terminal is like, and whether the caller wants colours at all (no-color.org).
void add_terminal_variables(RemoteProcess& process) {
  const auto pass = [&process](const char* name) {
    if (const char* value = std::getenv(name)) process.environment[name] = value;
  };
  pass("NO_COLOR");
  if (!process.tty) return;
  pass("TERM");
  pass("COLORTERM");
}

void become(RemoteProcess& process, const std::string& user) {
  if (user.empty()) return;
  unsigned uid = 0;
  if (user != "root") {
    const auto [end, failure] = std::from_chars(user.data(), user.data() + user.size(), uid);
    if (failure != std::errc() || end != user.data() + user.size()) {
      throw Error("unknown guest user " + vmspec::quote_value(user), "Use root or a numeric uid.", ExitCode::usage);
    }
  }
  process.uid = uid;
  if (uid != 0) return;
  process.environment["HOME"] = "/root";
  process.environment["USER"] = "root";
  process.environment["LOGNAME"] = "root";
}

}  // namespace

int exec(const ExecOptions& options, const Context& context) {
  const state::VmPaths paths = require_vm(context.roots, options.name);
  if (options.tty && !has_terminal()) {
    throw Error("-t needs a terminal on stdin and stdout", "Drop -t.", ExitCode::usage);
  }
  RemoteProcess process{.argv = options.command, .tty = options.tty, .directory = options.directory};
  add_terminal_variables(process);
  become(process, options.user);
  for (const std::string& text : options.environment) {
    const auto equals = text.find('=');
    if (text.empty() || equals == 0) {
      throw Error("--env: " + vmspec::quote_value(text) + " is not of the form NAME=VALUE", {}, ExitCode::usage);
    }
    if (equals != std::string::npos) {
      process.environment[text.substr(0, equals)] = text.substr(equals + 1);
    } else if (const char* value = std::getenv(text.c_str())) {
      process.environment[text] = value;  // docker's meaning of a name alone
    }
  }
  // What a login shell of it takes instead of its own (vmspec/plan/guest_files.hpp).
  if (const auto path = process.environment.find("PATH"); path != process.environment.end()) {
    process.environment.emplace(vmspec::login_path_variable, path->second);
  }
  return run_remote_process(paths, process);
}

int shell(const ShellOptions& options, const Context& context) {
  const state::VmPaths paths = named_or_implied_vm(context.roots, options.name);
  // Without a terminal it reads commands from stdin, as any shell.
  RemoteProcess process{.argv = {"/bin/sh", "-c", "exec \"$(command -v bash || echo /bin/sh)\" -l"},
                        .tty = has_terminal()};
  add_terminal_variables(process);
  if (options.root) become(process, "root");
  return run_remote_process(paths, process);
}

}  // namespace agentvm::commands
