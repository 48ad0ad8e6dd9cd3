// nix_sandbox.cpp - see nix_sandbox.hpp. Options are those of bwrap(1) 0.4 and of nix 2.8, and newer.
#include "launcher/sandbox/nix_sandbox.hpp"

#include <unistd.h>

#include <cstdlib>

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/sandbox/mcp_install.hpp"
#include "launcher/sandbox/nix_settings.hpp"

namespace agentvm::devshell {

namespace {

constexpr char daemon_socket[] = "/nix/var/nix/daemon-socket/socket";
constexpr char settings_file[] = "/etc/nix/nix.conf";
constexpr const char* passed_variables[] = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",      "https_proxy",
                                            "http_proxy",  "no_proxy",   "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"};
constexpr char certificates_variable[] = "NIX_SSL_CERT_FILE";
/// Where distributions and Nix's installers have the bundle.
constexpr const char* certificate_files[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-bundle.crt",
                                             "/etc/pki/tls/certs/ca-bundle.crt",
                                             "/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt"};
/// What Nix needs to build as its build users: to give them their directories, to become them, to end them.
constexpr const char* builder_capabilities[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER",
                                                "CAP_KILL",  "CAP_SETGID",       "CAP_SETUID"};

bool answers(const char* socket) {
  try {
    return static_cast<bool>(connect_unix(socket));
  } catch (const Error&) {
    return false;
  }
}

NixMode find_mode(bool root) {
  if (answers(daemon_socket)) return NixMode::daemon;
  return root ? NixMode::root_owner : NixMode::owner;
}

bool is_visible(const std::string& path) {
  return gateway::is_below(path, "/usr") || gateway::is_below(path, "/nix");
}

/// The file itself: /etc may hold a chain of links that does not lead anywhere inside.
void add_certificates(NixSandbox& sandbox) {
  std::vector<std::string> candidates;
  if (const char* given = std::getenv(certificates_variable)) candidates.emplace_back(given);
  candidates.insert(candidates.end(), std::begin(certificate_files), std::end(certificate_files));
  for (const std::string& candidate : candidates) {
    const std::string real = host::real_path(candidate);
    if (real.empty() || access(real.c_str(), R_OK) < 0) continue;
    if (!is_visible(real) && !gateway::is_below(real, "/etc/ssl/certs")) sandbox.host.files.emplace_back(real, real);
    sandbox.host.environment[certificates_variable] = real;
    return;
  }
}

std::vector<std::string> nix_arguments(const NixSandbox& sandbox) {
  std::vector<std::string> args = {sandbox.nix, "--extra-experimental-features", "nix-command flakes",
                                   // What a flake may not decide for its reader.
                                   "--option", "accept-flake-config", "false", "--option", "pure-eval", "true"};
  const auto add = [&args](std::initializer_list<std::string> words) { args.insert(args.end(), words); };
  // A builder without a sandbox would be the caller, with the store in its hands.
  if (sandbox.mode == NixMode::owner) add({"--option", "sandbox", "true", "--option", "sandbox-fallback", "false"});
  // A sandbox within this one takes mounts, which a flake's builder has no business with; and without build users, as
  // nix.conf has it in containers, builders would be root.
  if (sandbox.mode == NixMode::root_owner) {
    add({"--option", "sandbox", "false", "--option", "build-users-group", "nixbld"});
  }
  add({"print-dev-env", "--json", "--print-build-logs", "--no-write-lock-file", "--profile", sandbox.roots + "/root"});
  if (sandbox.refresh) add({"--refresh"});
  add({std::string("path:") + flake_place});
  return args;
}

}  // namespace

std::vector<std::string> nix_sandbox_arguments(const NixSandbox& sandbox, int settings_fd) {
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
  if (sandbox.root) gateway::add_root_rules(args);
  // Else bubblewrap makes it for the caller alone, and build users would know neither names nor certificates.
  add({"--dir", "/etc", "--dir", "/etc/nix"});
  for (const auto& [source, path] : sandbox.host.files) add({"--ro-bind", source, path});
  add({"--ro-bind", "/etc/passwd", "/etc/passwd", "--ro-bind", "/etc/group", "/etc/group"});
  add({"--ro-bind-data", std::to_string(settings_fd), settings_file});
  add({sandbox.mode == NixMode::daemon ? "--ro-bind" : "--bind", "/nix", "/nix"});
  if (!is_visible(sandbox.nix)) add({"--ro-bind", sandbox.nix, sandbox.nix});
  add({"--bind", sandbox.fetched, sandbox.fetched, "--bind", sandbox.roots, sandbox.roots});
  add({"--ro-bind", sandbox.flake, flake_place});
  add({"--remount-ro", "/", "--chdir", "/", "--"});
  const std::vector<std::string> nix = nix_arguments(sandbox);
  args.insert(args.end(), nix.begin(), nix.end());
  return args;
}

std::map<std::string, std::string> nix_sandbox_environment(const NixSandbox& sandbox) {
  std::map<std::string, std::string> environment = sandbox.host.environment;
  // No program is to be found by its name: Git above all.
  environment["PATH"] = "/var/empty";
  environment["HOME"] = "/tmp";
  // Nix asks for it where the caller is in no password file.
  environment.emplace("USER", "nobody");
  environment["TMPDIR"] = "/tmp";
  environment["LANG"] = "C.UTF-8";
  environment["XDG_CACHE_HOME"] = sandbox.fetched;
  if (sandbox.mode == NixMode::daemon) environment["NIX_REMOTE"] = "daemon";
  return environment;
}

NixSandbox inspect_nix_sandbox() {
  NixSandbox sandbox;
  std::map<std::string, std::string> environment;
  for (const char* name : passed_variables) {
    if (const char* value = std::getenv(name)) environment.emplace(name, value);
  }
  sandbox.host = gateway::inspect_sandbox_host(environment);
  sandbox.root = geteuid() == 0;
  sandbox.mode = find_mode(sandbox.root);
  const auto nix = find_program("nix");
  if (!nix) throw Error("there is no `nix` on PATH, which a devShell is built with", {}, ExitCode::cannot_start);
  sandbox.nix = host::real_path(*nix);
  sandbox.settings = shared_settings(settings_file);
  add_certificates(sandbox);
  return sandbox;
}

}  // namespace agentvm::devshell
