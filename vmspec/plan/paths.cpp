// paths.cpp - guest and host paths as text: their form, and which of them no guest may see.
#include "vmspec/plan/paths.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace agentvm::vmspec {

namespace {

constexpr std::size_t max_path = 4000;

/// Relative to a home. Files and directories where programs keep keys, tokens, sessions or histories.
constexpr std::array<std::string_view, 46> home_secrets = {".ssh",
                                                           ".gnupg",
                                                           ".aws",
                                                           ".azure",
                                                           ".oci",
                                                           ".kube",
                                                           ".netrc",
                                                           ".git-credentials",
                                                           ".config/git/credentials",
                                                           ".config/gcloud",
                                                           ".config/gh",
                                                           ".config/glab-cli",
                                                           ".config/hub",
                                                           ".config/op",
                                                           ".config/rclone",
                                                           ".config/sops",
                                                           ".config/age",
                                                           ".config/containers/auth.json",
                                                           ".config/nix/nix.conf",
                                                           ".config/agentvm",
                                                           ".local/state/agentvm",
                                                           ".docker/config.json",
                                                           ".codex",
                                                           ".claude",
                                                           ".claude.json",
                                                           ".gemini",
                                                           ".local/share/opencode",
                                                           ".npmrc",
                                                           ".yarnrc.yml",
                                                           ".pypirc",
                                                           ".cargo/credentials",
                                                           ".cargo/credentials.toml",
                                                           ".gem/credentials",
                                                           ".m2/settings.xml",
                                                           ".gradle/gradle.properties",
                                                           ".terraform.d",
                                                           ".vault-token",
                                                           ".pgpass",
                                                           ".my.cnf",
                                                           ".password-store",
                                                           ".local/share/keyrings",
                                                           ".mozilla",
                                                           ".config/google-chrome",
                                                           ".config/chromium",
                                                           ".bash_history",
                                                           ".zsh_history"};

constexpr std::array<std::string_view, 14> system_secrets = {"/etc/shadow",
                                                             "/etc/gshadow",
                                                             "/etc/shadow-",
                                                             "/etc/gshadow-",
                                                             "/etc/ssh",
                                                             "/etc/sudoers",
                                                             "/etc/sudoers.d",
                                                             "/etc/ssl/private",
                                                             "/etc/krb5.keytab",
                                                             "/etc/wireguard",
                                                             "/etc/NetworkManager/system-connections",
                                                             "/var/lib/agentvm",
                                                             "/var/lib/libvirt",
                                                             "/var/lib/docker"};

/// Below ~/.codex, where auth.json and sessions are: releases/VERSION/bin/codex and what belongs to it (its installer,
/// 2026).
constexpr std::string_view codex_packages = ".codex/packages/standalone";

/// The kernel's and the services' own trees: sockets and devices, never data for a guest.
constexpr std::array<std::string_view, 5> live_trees = {"/proc", "/sys", "/dev", "/run", "/var/run"};

/// Guest trees that are the system's own.
constexpr std::array<std::string_view, 14> guest_system = {"/usr",   "/etc",   "/proc", "/sys",  "/dev",
                                                           "/run",   "/boot",  "/bin",  "/sbin", "/lib",
                                                           "/lib32", "/lib64", "/nix",  "/root"};
/// Guest directories that must stay what they are, while what is below them may be anything.
constexpr std::array<std::string_view, 5> guest_parents = {"/", "/home", "/tmp", "/var", "/var/tmp"};

bool is_parent(std::string_view directory, std::string_view path) {
  return is_within(path, directory) && path != directory;
}

/// `relative` is "" for the home itself. What is below `allowed` ("": nothing) is refused for no other reason.
std::optional<std::string> home_refusal(std::string_view relative, std::string_view allowed) {
  if (!allowed.empty() && is_parent(allowed, relative)) return std::nullopt;
  if (relative.empty()) return "it is a whole home directory";
  for (const std::string_view secret : home_secrets) {
    if (is_within(relative, secret)) return fmt::format("~/{} is where secrets are kept", secret);
    if (is_parent(relative, secret)) return fmt::format("it holds ~/{}, where secrets are kept", secret);
  }
  return std::nullopt;
}

}  // namespace

std::string path_refusal(std::string_view path, bool home_allowed) {
  if (path.size() > max_path) return fmt::format("must be at most {} bytes long", max_path);
  if (std::any_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return "must be free of line breaks and other control characters";
  }
  if (normal_path(path, home_allowed)) return "";
  return home_allowed ? "must be an absolute path or begin with ~/, without '.' and '..' parts"
                      : "must be an absolute path, without '.' and '..' parts";
}

std::optional<std::string> normal_path(std::string_view path, bool home_allowed) {
  if (path.size() > max_path) return std::nullopt;
  if (std::any_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return std::nullopt;
  }
  std::string out;
  if (home_allowed && (path == "~" || path.starts_with("~/"))) {
    out = "~";
    path.remove_prefix(1);
  } else if (!path.starts_with('/')) {
    return std::nullopt;
  }
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view part = path.substr(0, path.find('/'));
    if (part == "." || part == "..") return std::nullopt;
    if (!part.empty()) out.append("/").append(part);
    path.remove_prefix(part.size());
  }
  return out.empty() ? "/" : out;
}

bool is_plain_path(std::string_view path) {
  return path.find_first_of(":\"\\$`%") == std::string_view::npos;
}

bool is_within(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.starts_with('/');
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string expand_home(std::string_view path, std::string_view home) {
  if (path == "~") return std::string(home);
  if (!path.starts_with("~/")) return std::string(path);
  return (home == "/" ? std::string() : std::string(home)).append(path.substr(1));
}

namespace {

std::optional<std::string> refusal_of(std::string_view path, std::string_view home, std::string_view allowed) {
  if (path == "~" || path.starts_with("~/")) {
    if (const auto refusal = home_refusal(path.size() > 2 ? path.substr(2) : "", allowed)) return refusal;
    if (home.empty()) return std::nullopt;
  }
  const std::string absolute = expand_home(path, home);
  if (absolute == "/" || absolute == "/home") return "it holds home directories";
  const auto below = [&](std::string_view root) -> std::optional<std::string> {
    if (!is_within(absolute, root)) return std::nullopt;
    return home_refusal(absolute.size() > root.size() ? std::string_view(absolute).substr(root.size() + 1) : "",
                        allowed);
  };
  if (home.size() > 1) {
    if (is_parent(absolute, home)) return "it holds your home directory";
    if (const auto refusal = below(home)) return refusal;
  }
  if (const auto refusal = below("/root")) return refusal;
  if (is_parent("/home", absolute)) {
    const std::size_t slash = absolute.find('/', std::string_view("/home/").size());
    if (const auto refusal = below(absolute.substr(0, slash))) return refusal;
  }
  for (const std::string_view tree : live_trees) {
    if (is_within(absolute, tree)) return fmt::format("{} holds sockets and devices, not data", tree);
  }
  for (const std::string_view secret : system_secrets) {
    if (is_within(absolute, secret)) return fmt::format("{} is where secrets are kept", secret);
    if (is_parent(absolute, secret)) return fmt::format("it holds {}, where secrets are kept", secret);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> exposure_refusal(std::string_view path, std::string_view home) {
  return refusal_of(path, home, {});
}

std::optional<std::string> agent_program_refusal(std::string_view program, std::string_view home) {
  const std::size_t slash = program.rfind('/');
  return refusal_of(program.substr(0, std::max<std::size_t>(1, slash)), home, codex_packages);
}

std::optional<std::string> mount_refusal(std::string_view path) {
  for (const std::string_view tree : guest_system) {
    if (is_within(path, tree)) return fmt::format("{} belongs to the guest's system", tree);
  }
  if (std::find(guest_parents.begin(), guest_parents.end(), path) != guest_parents.end()) {
    return "it would hide a directory the guest needs";
  }
  return std::nullopt;
}

}  // namespace agentvm::vmspec
