// exec.cpp - agentvm exec and agentvm shell.
#include <charconv>
#include <cstdlib>

#include "base/error.hpp"
#include "launcher/client/remote_process.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/terminal/terminal.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

namespace {

void add_terminal_variables(RemoteProcess& process) {
  for (const char* name : {"TERM", "COLORTERM"}) {
    if (const char* value = std::getenv(name)) process.environment[name] = value;
  }
}

void become(RemoteProcess& process, const std::string& user) {
  if (user.empty()) return;
  unsigned uid = 0;
  if (user != "root") {
    const auto [end, failure] = std::from_chars(user.data(), user.data() + user.size(), uid);
    if (failure != std::errc() || end != user.data() + user.size()) {
      throw Error("'" + user + "' is no user of the guest that can be named here", "Give root, or a user's number.",
                  ExitCode::usage);
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
    throw Error("-t needs a terminal on stdin and stdout", "Leave out -t.", ExitCode::usage);
  }
  RemoteProcess process{.argv = options.command, .tty = options.tty, .directory = options.directory};
  if (options.tty) add_terminal_variables(process);
  become(process, options.user);
  for (const std::string& text : options.environment) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error("'" + text + "' has no NAME=VALUE form", {}, ExitCode::usage);
    }
    process.environment[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return run_remote_process(paths, process);
}

int shell(const ShellOptions& options, const Context& context) {
  const state::VmPaths paths = named_or_implied_vm(context.roots, options.name);
  // Without a terminal it reads commands from stdin, as any shell.
  RemoteProcess process{.argv = {"/bin/sh", "-c", "exec \"$(command -v bash || echo /bin/sh)\" -l"},
                        .tty = has_terminal()};
  if (process.tty) add_terminal_variables(process);
  if (options.root) become(process, "root");
  return run_remote_process(paths, process);
}

}  // namespace agentvm::commands
