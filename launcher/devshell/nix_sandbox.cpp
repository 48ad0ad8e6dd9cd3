// nix_sandbox.cpp - see nix_sandbox.hpp. Options are those of bwrap(1) 0.4 and of nix 2.8, and newer.
#include "launcher/devshell/nix_sandbox.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "launcher/devshell/flake_files.hpp"
#include "launcher/gateway/mcp_install.hpp"
#include "launcher/host/path_facts.hpp"

namespace agentvm::devshell {

namespace {

constexpr char daemon_socket[] = "/nix/var/nix/daemon-socket/socket";
constexpr const char* passed_variables[] = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",      "https_proxy",
                                            "http_proxy",  "no_proxy",   "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"};
constexpr char certificates_variable[] = "NIX_SSL_CERT_FILE";
constexpr const char* nix_settings[] = {"/etc/nix/nix.conf", "/etc/nix/registry.json"};
/// What Nix needs to build as its build users: to give them their directories, to become them, to end them.
constexpr const char* builder_capabilities[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER",
                                                "CAP_KILL",  "CAP_SETGID",       "CAP_SETUID"};

/// A path as a part of a URL (RFC 3986, 3.3).
std::string url_path(const std::string& path) {
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string directory_of(const std::string& program) {
  return program.substr(0, program.rfind('/'));
}

bool answers(const char* socket) {
  try {
    return static_cast<bool>(connect_unix(socket));
  } catch (const Error&) {
    return false;
  }
}

NixMode find_mode() {
  if (answers(daemon_socket)) return NixMode::daemon;
  return geteuid() == 0 ? NixMode::root_owner : NixMode::owner;
}

void add_programs(std::vector<std::string>& args, const NixSandbox& sandbox) {
  for (const std::string& program : {sandbox.nix, sandbox.git}) {
    if (program.empty() || gateway::is_below(program, "/usr") || gateway::is_below(program, "/nix")) continue;
    args.insert(args.end(), {"--ro-bind", program, program});
  }
}

std::vector<std::string> nix_arguments(const NixSandbox& sandbox) {
  std::vector<std::string> args = {sandbox.nix, "--extra-experimental-features", "nix-command flakes",
                                   // What a flake may not decide for its reader.
                                   "--option", "accept-flake-config", "false", "--option", "pure-eval", "true",
                                   "--option", "warn-dirty", "false"};
  if (sandbox.mode == NixMode::owner) {
    // A builder without a sandbox would be the caller, with the store in its hands.
    args.insert(args.end(), {"--option", "sandbox", "true", "--option", "sandbox-fallback", "false"});
  }
  args.insert(args.end(), {"print-dev-env", "--json", "--no-write-lock-file", "--profile", sandbox.roots + "/root",
                           (sandbox.git_flake ? "git+file://" : "path:") + url_path(sandbox.workspace)});
  return args;
}

}  // namespace

std::vector<std::string> nix_sandbox_arguments(const NixSandbox& sandbox, GitConfigFiles files) {
  std::vector<std::string> args = {"--unshare-pid",     "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
                                   "--die-with-parent", "--new-session", "--cap-drop",    "ALL"};
  const auto add = [&args](std::initializer_list<std::string> words) { args.insert(args.end(), words); };
  if (sandbox.mode == NixMode::root_owner) {
    for (const char* capability : builder_capabilities) add({"--cap-add", capability});
  } else {
    add({"--unshare-user-try"});
  }
  add({"--ro-bind", "/usr", "/usr"});
  for (const auto& [path, target] : sandbox.host.root_links) add({"--symlink", target, path});
  for (const auto& directory : sandbox.host.root_directories) add({"--ro-bind", directory, directory});
  add({"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"});
  for (const auto& [source, path] : sandbox.host.files) add({"--ro-bind", source, path});
  add({"--ro-bind", "/etc/passwd", "/etc/passwd", "--ro-bind", "/etc/group", "/etc/group"});
  add({"--ro-bind-data", std::to_string(files.system), "/etc/gitconfig"});
  add({sandbox.mode == NixMode::daemon ? "--ro-bind" : "--bind", "/nix", "/nix"});
  add_programs(args, sandbox);
  add({"--bind", sandbox.fetched, sandbox.fetched, "--bind", sandbox.roots, sandbox.roots});
  add({"--ro-bind", sandbox.workspace, sandbox.workspace});
  if (sandbox.git_flake) {
    add({"--ro-bind-data", std::to_string(files.workspace), sandbox.workspace + "/.git/config"});
  }
  add({"--remount-ro", "/", "--chdir", "/", "--"});
  const std::vector<std::string> nix = nix_arguments(sandbox);
  args.insert(args.end(), nix.begin(), nix.end());
  return args;
}

std::map<std::string, std::string> nix_sandbox_environment(const NixSandbox& sandbox) {
  std::map<std::string, std::string> environment = sandbox.host.environment;
  environment["PATH"] =
      directory_of(sandbox.nix) + ":" + (sandbox.git.empty() ? "" : directory_of(sandbox.git) + ":") + "/usr/bin:/bin";
  environment["HOME"] = "/tmp";
  // Nix asks for it where the caller is in no password file.
  environment.emplace("USER", "nobody");
  environment["TMPDIR"] = "/tmp";
  environment["LANG"] = "C.UTF-8";
  environment["XDG_CACHE_HOME"] = sandbox.fetched;
  environment["GIT_TERMINAL_PROMPT"] = "0";
  if (sandbox.mode == NixMode::daemon) environment["NIX_REMOTE"] = "daemon";
  return environment;
}

NixSandbox inspect_nix_sandbox(const std::string& workspace, const std::string& fetched, const std::string& roots) {
  NixSandbox sandbox;
  std::map<std::string, std::string> environment;
  for (const char* name : passed_variables) {
    if (const char* value = std::getenv(name)) environment.emplace(name, value);
  }
  sandbox.host = gateway::inspect_sandbox_host(environment);
  if (const char* value = std::getenv(certificates_variable);
      value != nullptr && (gateway::is_below(value, "/nix") || gateway::is_below(value, "/etc/ssl"))) {
    sandbox.host.environment.emplace(certificates_variable, value);
  }
  sandbox.mode = find_mode();
  const auto nix = find_program("nix");
  if (!nix) throw Error("there is no `nix` on PATH, which a devShell is built with", {}, ExitCode::cannot_start);
  sandbox.nix = host::real_path(*nix);
  if (const auto git = find_program("git")) sandbox.git = host::real_path(*git);
  sandbox.workspace = workspace;
  sandbox.git_flake = !sandbox.git.empty() && has_own_git(workspace);
  sandbox.fetched = fetched;
  sandbox.roots = roots;
  for (const char* path : nix_settings) {
    const std::string real = host::real_path(path);
    if (!real.empty()) sandbox.host.files.emplace_back(real, path);
  }
  return sandbox;
}

}  // namespace agentvm::devshell
