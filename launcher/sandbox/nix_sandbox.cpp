// nix_sandbox.cpp - see nix_sandbox.hpp. Options are those of bwrap(1) 0.4 and of nix 2.8, and newer.
#include "launcher/sandbox/nix_sandbox.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/sandbox/host_proxy.hpp"
#include "launcher/sandbox/mcp_install.hpp"
#include "launcher/sandbox/nix_confinement.hpp"
#include "launcher/sandbox/nix_settings.hpp"

namespace agentvm::devshell {

namespace {

constexpr char daemon_socket[] = "/nix/var/nix/daemon-socket/socket";
constexpr char settings_file[] = "/etc/nix/nix.conf";
constexpr char certificates_variable[] = "NIX_SSL_CERT_FILE";
/// Where distributions and Nix's installers have the bundle.
constexpr const char* certificate_files[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-bundle.crt",
                                             "/etc/pki/tls/certs/ca-bundle.crt",
                                             "/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt"};
bool answers(const char* socket) {
  try {
    return static_cast<bool>(connect_unix(socket));
  } catch (const Error&) {
    return false;
  }
}

NixMode find_mode(bool root) {
  if (answers(daemon_socket)) return NixMode::daemon;
  if (!root) return NixMode::owner;
  throw Error("no Nix daemon answers at " + std::string(daemon_socket) +
                  ", and root's Nix would let a workspace's flake build into this host's store as it likes",
              "Start nix-daemon, or build as the user whose store it is.", ExitCode::cannot_start);
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
  if (sandbox.asks_for_confinement) {
    // A builder without a sandbox would be the caller, with the store in its hands, or a build user on the bare host.
    add({"--option", "sandbox", "true", "--option", "sandbox-fallback", "false"});
  }
  add({"print-dev-env", "--json", "--print-build-logs", "--no-write-lock-file", "--profile", sandbox.roots + "/root"});
  if (sandbox.refresh) add({"--refresh"});
  add({std::string("path:") + flake_place});
  return args;
}

}  // namespace

std::vector<std::string> nix_sandbox_arguments(const NixSandbox& sandbox, int settings_fd) {
  std::vector<std::string> args = {"--unshare-pid", "--unshare-ipc",     "--unshare-uts", "--unshare-cgroup-try",
                                   "--unshare-net", "--die-with-parent", "--new-session", "--cap-drop",
                                   "ALL",           "--unshare-user-try"};
  const auto add = [&args](std::initializer_list<std::string> words) { args.insert(args.end(), words); };
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
  for (const auto& [name, value] : sandbox::way_out_variables()) environment[name] = value;
  if (sandbox.mode == NixMode::daemon) environment["NIX_REMOTE"] = "daemon";
  return environment;
}

std::vector<std::string> hosts_of_settings(const std::string& settings) {
  std::vector<std::string> hosts = {"*"};
  std::istringstream words(settings);
  for (std::string word; words >> word;) {
    const bool tls = word.starts_with("https://");
    if (!tls && !word.starts_with("http://")) continue;
    std::string host = word.substr(tls ? 8 : 7);
    host.resize(std::min(host.find_first_of("/?"), host.size()));
    // The colons of an IPv6 address stand in brackets.
    const std::size_t bracket = host.rfind(']');
    if (host.find(':', bracket == std::string::npos ? 0 : bracket) == std::string::npos) host += tls ? ":443" : ":80";
    hosts.push_back(std::move(host));
  }
  return hosts;
}

NixSandbox inspect_nix_sandbox(const sandbox::GuestPlaces& places) {
  NixSandbox sandbox;
  std::map<std::string, std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  sandbox.host = gateway::inspect_sandbox_host(environment);
  sandbox.proxy = sandbox::proxy_of_host(environment);
  sandbox.root = geteuid() == 0;
  const auto nix = find_program("nix");
  if (!nix) throw Error("there is no `nix` on PATH, which a devShell is built with", {}, ExitCode::cannot_start);
  sandbox.nix = host::real_path(*nix);
  for (const std::string& path : {*nix, sandbox.nix}) {
    if (const std::string* place = places.holding(path)) {
      throw Error("the `nix` on PATH is " + path + ", which lies in " + *place + ", where a guest may write",
                  "Take that directory out of PATH.", ExitCode::cannot_start);
    }
  }
  sandbox.mode = find_mode(sandbox.root);
  // A store of the caller's own is built in by the very Nix that is told.
  sandbox.asks_for_confinement =
      sandbox.mode == NixMode::owner || must_ask_for_confinement(read_confinement(sandbox.nix), caller());
  sandbox.settings = shared_settings(settings_file);
  sandbox.hosts = hosts_of_settings(sandbox.settings);
  add_certificates(sandbox);
  return sandbox;
}

}  // namespace agentvm::devshell
