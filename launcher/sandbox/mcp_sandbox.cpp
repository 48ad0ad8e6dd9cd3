// mcp_sandbox.cpp - see mcp_sandbox.hpp. Options are those of bwrap(1) 0.4 and newer.
#include "launcher/sandbox/mcp_sandbox.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "launcher/sandbox/host_proxy.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::gateway {

namespace fs = std::filesystem;

namespace {

/// Names and certificates, time, the loader's cache: what a program needs to speak https. No directory of keys.
constexpr const char* etc_paths[] = {
    "/etc/resolv.conf",     "/etc/hosts",        "/etc/host.conf",       "/etc/gai.conf",
    "/etc/nsswitch.conf",   "/etc/services",     "/etc/protocols",       "/etc/localtime",
    "/etc/timezone",        "/etc/ld.so.cache",  "/etc/ld.so.conf",      "/etc/ld.so.conf.d",
    "/etc/ssl/openssl.cnf", "/etc/ssl/certs",    "/etc/ca-certificates", "/etc/ca-certificates.conf",
    "/etc/pki/tls/certs",   "/etc/pki/ca-trust", "/etc/crypto-policies", "/etc/ssl/cert.pem",
};
constexpr const char* root_names[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
constexpr const char* certificate_variables[] = {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"};
constexpr const char* nix_programs[] = {
    "nix",     "nix-build", "nix-channel",     "nix-collect-garbage", "nix-copy-closure", "nix-daemon",
    "nix-env", "nix-hash",  "nix-instantiate", "nix-prefetch-url",    "nix-shell",        "nix-store"};

std::string real_path(const std::string& path) {
  std::error_code error;
  const auto real = fs::canonical(path, error);
  return error ? std::string() : real.string();
}

}  // namespace

SandboxHost inspect_sandbox_host(const std::map<std::string, std::string>& environment) {
  SandboxHost host;
  host.root = geteuid() == 0;
  for (const char* name : root_names) {
    std::error_code error;
    if (fs::is_symlink(name, error)) {
      host.root_links.emplace_back(name, fs::read_symlink(name, error).string());
    } else if (fs::is_directory(name, error)) {
      host.root_directories.emplace_back(name);
    }
  }
  for (const char* path : etc_paths) {
    // The real file: /etc/resolv.conf may be a link into /run, which is not inside.
    if (const std::string real = real_path(path); !real.empty()) host.files.emplace_back(real, path);
  }
  for (const char* directory : {"/usr/bin", "/usr/local/bin", "/usr/sbin"}) {
    for (const char* program : nix_programs) {
      const std::string real = real_path(std::string(directory) + "/" + program);
      if (!real.empty() && is_below(real, "/usr") &&
          std::find(host.hidden.begin(), host.hidden.end(), real) == host.hidden.end()) {
        host.hidden.push_back(real);
      }
    }
  }
  for (const char* name : certificate_variables) {
    if (const auto found = environment.find(name); found != environment.end()) host.environment.insert(*found);
  }
  for (const char* name : certificate_variables) {
    const auto found = host.environment.find(name);
    if (found == host.environment.end()) continue;
    const std::string& path = found->second;
    const std::string real = real_path(path);
    std::error_code error;
    const bool inside = is_below(path, "/usr") || is_below(path, "/etc/ssl/certs") || is_below(path, "/etc/pki");
    const std::pair<std::string, std::string> file(real, path);
    if (inside || !path.starts_with('/') || !fs::is_regular_file(real, error) ||
        std::find(host.files.begin(), host.files.end(), file) != host.files.end()) {
      continue;
    }
    host.files.push_back(file);
  }
  return host;
}

void add_root_rules(std::vector<std::string>& args) {
  for (const char* path : {"/proc/sys", "/proc/acpi", "/proc/fs", "/proc/mtrr", "/proc/scsi"}) {
    args.insert(args.end(), {"--ro-bind-try", path, path});
  }
}

std::vector<std::string> sandbox_arguments(const SandboxHost& host, const McpInstall& install, AccountFiles accounts) {
  std::vector<std::string> args = {"--unshare-all", "--die-with-parent", "--new-session", "--uid",     "65534", "--gid",
                                   "65534",         "--cap-drop",        "ALL",           "--ro-bind", "/usr",  "/usr"};
  const auto add = [&](std::initializer_list<std::string> words) { args.insert(args.end(), words); };
  for (const auto& [path, target] : host.root_links) add({"--symlink", target, path});
  for (const auto& directory : host.root_directories) add({"--ro-bind", directory, directory});
  add({"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"});
  if (host.root) add_root_rules(args);
  for (const auto& [source, path] : host.files) add({"--ro-bind", source, path});
  add({"--ro-bind-data", std::to_string(accounts.passwd), "/etc/passwd"});
  add({"--ro-bind-data", std::to_string(accounts.group), "/etc/group"});
  for (const auto& program : host.hidden) add({"--ro-bind", "/dev/null", program});
  if (install.nix_store) add({"--ro-bind", "/nix/store", "/nix/store"});
  for (const auto& directory : install.directories) add({"--ro-bind", directory, directory});
  for (const auto& file : install.files) add({"--ro-bind", file, file});
  for (const auto& [path, target] : install.links) {
    const auto holds = [&path_of_link = path](const std::string& directory) {
      return is_below(path_of_link, directory);
    };
    const bool there = is_below(path, "/usr") || (install.nix_store && is_below(path, "/nix/store")) ||
                       std::any_of(install.directories.begin(), install.directories.end(), holds) ||
                       std::any_of(host.root_directories.begin(), host.root_directories.end(), holds) ||
                       std::any_of(host.root_links.begin(), host.root_links.end(),
                                   [&path_of_link = path](const auto& link) { return link.first == path_of_link; });
    if (!there) add({"--symlink", target, path});
  }
  add({"--remount-ro", "/", "--chdir", "/tmp", "--"});
  args.insert(args.end(), install.command.begin(), install.command.end());
  return args;
}

std::map<std::string, std::string> sandbox_environment(const SandboxHost& host, const McpInstall& install,
                                                       const McpWishes& wishes, const std::string& uuid) {
  std::string path;
  for (const auto& directory : install.path) path += directory + ":";
  std::map<std::string, std::string> environment = wishes.env;
  environment.insert(host.environment.begin(), host.environment.end());
  environment.emplace("PATH", path + "/usr/local/bin:/usr/bin:/bin");
  environment.emplace("HOME", "/tmp");
  environment.emplace("TMPDIR", "/tmp");
  environment.emplace("LANG", "C.UTF-8");
  environment.emplace("PYTHONDONTWRITEBYTECODE", "1");
  // mcp-nixos is made with FastMCP, which would ask for updates, print a banner and read ./.env.
  environment.emplace("FASTMCP_CHECK_FOR_UPDATES", "off");
  environment.emplace("FASTMCP_SHOW_SERVER_BANNER", "false");
  environment.emplace("FASTMCP_ENV_FILE", "/dev/null");
  if (!wishes.network.empty()) {
    for (const auto& [name, value] : sandbox::way_out_variables()) environment[name] = value;
  }
  environment[state::instance_variable] = uuid;
  return environment;
}

}  // namespace agentvm::gateway
