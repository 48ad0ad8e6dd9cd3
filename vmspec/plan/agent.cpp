// agent.cpp - what runs in the guest: its command line, its environment, its own files.
#include <fmt/format.h>

#include "base/wire/guest.hpp"
#include "vmspec/agents/agents_md.hpp"
#include "vmspec/agents/codex_command.hpp"
#include "vmspec/agents/codex_config.hpp"
#include "vmspec/plan/guest_files.hpp"
#include "vmspec/plan/names.hpp"
#include "vmspec/plan/planner.hpp"

namespace agentvm::vmspec {

namespace {

/// Without a network, package managers say at once what is missing instead of trying for minutes.
const std::map<std::string, std::string> offline_environment = {
    {"CARGO_NET_OFFLINE", "true"},
    {"GOPROXY", "off"},
    {"GOTOOLCHAIN", "local"},
    {"NPM_CONFIG_OFFLINE", "true"},
    {"NPM_CONFIG_UPDATE_NOTIFIER", "false"},
    {"PIP_DISABLE_PIP_VERSION_CHECK", "1"},
    {"PIP_NO_INDEX", "1"},
    {"UV_OFFLINE", "1"},
};

}  // namespace

void Planner::agent() {
  spec_.agent.cwd = mount();
  spec_.agent.uid = nix() != nullptr ? nix()->uid : agent_uid;
  spec_.agent.gid = nix() != nullptr ? nix()->gid : agent_gid;
  spec_.agent.timeout_ms = profile_.agent.timeout_ms;
  const AgentKind kind = kind_of(profile_, request_);
  spec_.agent.kind = std::string(name_of(kind));
  if (kind == AgentKind::codex) {
    codex();
  } else if (kind == AgentKind::command) {
    command(request_.command ? *request_.command : profile_.agent.command);
  }
  spec_.agent.hook = has_hook();
}

void Planner::command(const std::vector<std::string>& argv) {
  AgentSpec& agent = spec_.agent;
  if (argv.empty() || argv.front().empty()) {
    refuse_run("there is no command to run", "give one after --: agentvm run --command -- make test");
  }
  if (!request_.command && request_.prompt) {
    refuse("agent.kind", "\"command\" takes no prompt", "drop the prompt, or choose a profile with an agent");
  }
  agent.argv = argv;
  if (!request_.command) {
    agent.argv.insert(agent.argv.end(), profile_.agent.args.begin(), profile_.agent.args.end());
    agent.argv.insert(agent.argv.end(), request_.agent_args.begin(), request_.agent_args.end());
  }
  agent.pty = request_.tty && !request_.detached;
  agent.stdin_null = !agent.pty && (!request_.stdin_attached || request_.detached);
  agent.env = environment(agent.pty);
}

void Planner::codex() {
  AgentSpec& agent = spec_.agent;
  // With a terminal a prompt is where the agent's own screen begins.
  const bool exec = request_.prompt.has_value() && (!request_.tty || request_.detached);
  if (!request_.prompt && (!request_.tty || request_.detached)) {
    refuse_run(request_.detached ? "a detached run of Codex needs a prompt"
                                 : "there is no prompt and no terminal to ask for one",
               "give the prompt after --, or with --prompt or --prompt-file; `--prompt-file -` reads it from stdin");
  } else if (request_.prompt && (request_.prompt->empty() || *request_.prompt == "-")) {
    refuse_run(fmt::format("{} is not a usable prompt", quote_value(*request_.prompt)), "say what the agent should do");
  } else if (request_.prompt && request_.prompt->find('\0') != std::string::npos) {
    refuse_run("the prompt holds a NUL byte", "remove the NUL byte");
  } else if (request_.prompt && request_.prompt->size() >= (std::size_t{128} << 10)) {
    refuse_run(fmt::format("the prompt is longer than a command line can hold ({} bytes, at most 128 KiB)",
                           request_.prompt->size()),
               "put it into a file of the workspace, and tell the agent to read that");
  }
  if (exec && profile_.agent.autonomy == Autonomy::ask) {
    advise(
        "agent.autonomy is \"ask\", but a run with a prompt has nobody to ask: Codex stays in its own sandbox and is "
        "refused what that does not allow.");
  }
  CodexConfigInput config{.model = profile_.model.name,
                          .workspace_mount = mount(),
                          .mcp_servers = {},
                          .model_port = guest::model_tcp_port,
                          .interactive = !exec,
                          .own_sandbox = profile_.agent.autonomy == Autonomy::ask};
  for (const McpSpec& server : spec_.mcp) config.mcp_servers.push_back(server.name);
  const std::string config_text = render_codex_config(config);
  CodexCommandInput input{.program = agent_program_,
                          // A nix guest's own is not asked: it is as new as its flake.
                          .version = nix() != nullptr && nix()->agent ? "" : facts_.codex.version,
                          .autonomy = profile_.agent.autonomy,
                          .prompt = request_.prompt,
                          .interactive = !exec,
                          .config = config_text,
                          .args = profile_.agent.args};
  input.args.insert(input.args.end(), request_.agent_args.begin(), request_.agent_args.end());
  agent.argv = codex_command(input);
  agent.pty = !exec;
  // An open pipe on stdin makes `codex exec` read it to its end, prompt or not.
  agent.stdin_null = exec;
  agent.env = environment(agent.pty);
  agent.env["CODEX_HOME"] = home() + "/.codex";

  const auto add = [this](GuestFile file) {
    file.uid = spec_.agent.uid;
    file.gid = spec_.agent.gid;
    spec_.files.push_back(std::move(file));
  };
  add({.path = home() + "/.codex", .mode = 0700, .directory = true});
  add({.path = home() + "/.codex/config.toml", .content = config_text, .mode = 0600});
  if (profile_.agents_md.write) {
    add({.path = home() + "/.codex/AGENTS.md",
         .content = render_agents_md({.user = user(),
                                      .mount = mount(),
                                      .read_only = profile_.workspace.mode == WorkspaceMode::read_only,
                                      .mcp_servers = config.mcp_servers,
                                      .kind = spec_.image.kind,
                                      .internet = spec_.egress == Egress::nat,
                                      .devshell = profile_.guest.devshell,
                                      .kernel_modules = has_modules(),
                                      .store_writable = profile_.store.writable})});
  }
}

std::map<std::string, std::string> Planner::environment(bool pty) const {
  std::map<std::string, std::string> out = {{"HOME", home()},
                                            {"USER", user()},
                                            {"LOGNAME", user()},
                                            {"SHELL", nix() != nullptr ? nix()->shell : "/bin/bash"},
                                            {"PATH", spec_.image.path},
                                            {"LANG", "C.UTF-8"},
                                            // With a proxy variable set, Codex would send loopback requests to it too.
                                            {"NO_PROXY", "127.0.0.1,localhost"},
                                            {"TMPDIR", "/tmp"}};
  // no-color.org: whatever its value is, unless it is empty.
  const auto no_color = facts_.environment.find("NO_COLOR");
  if (no_color != facts_.environment.end() && !no_color->second.empty()) out["NO_COLOR"] = no_color->second;
  if (pty) {
    const auto host = [this](const std::string& name, const std::string& otherwise) {
      const auto found = facts_.environment.find(name);
      return found == facts_.environment.end() || found->second.empty() ? otherwise : found->second;
    };
    out["TERM"] = host("TERM", "xterm-256color");
    if (const std::string color = host("COLORTERM", ""); !color.empty()) out["COLORTERM"] = color;
  }
  if (spec_.egress == Egress::none) out.insert(offline_environment.begin(), offline_environment.end());
  add_devshell(out);
  for (const auto& [name, value] : profile_.agent.env) out[name] = value;
  if (out["PATH"] != spec_.image.path) out[login_path_variable] = out["PATH"];
  return out;
}

}  // namespace agentvm::vmspec
