// rules.cpp - what a single value of a profile may look like.
#include "vmspec/profile/rules.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "vmspec/plan/paths.hpp"

namespace agentvm::vmspec::rules {

namespace {

constexpr std::size_t max_line = 4000;
constexpr std::size_t max_argument = std::size_t{128} << 10;  // MAX_ARG_STRLEN of Linux

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}
bool is_alnum(char c) {
  return is_alpha(c) || is_digit(c);
}

template <typename Predicate>
bool only(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

/// C0, DEL, and C1 (U+0080 to U+009F, two bytes in UTF-8): a terminal obeys either.
bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

/// A number from 1 to 65535 without leading zeros.
std::optional<std::uint16_t> port(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 || text.front() == '0')
    return std::nullopt;
  return value;
}

bool is_ipv4(std::string_view text) {
  int parts = 0;
  while (true) {
    const std::string_view part = text.substr(0, text.find('.'));
    unsigned value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value > 255) return false;
    if (part.size() > 1 && part.front() == '0') return false;
    ++parts;
    if (part.size() == text.size()) return parts == 4;
    text.remove_prefix(part.size() + 1);
  }
}

/// Groups of up to four hex digits, at most one "::"; RFC 4291 section 2.2 without embedded IPv4.
bool is_ipv6(std::string_view text) {
  const std::size_t gap = text.find("::");
  const auto groups = [](std::string_view part) -> int {
    if (part.empty()) return 0;
    int count = 0;
    while (true) {
      const std::string_view group = part.substr(0, part.find(':'));
      if (group.empty() || group.size() > 4) return -1;
      if (!only(group, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }))
        return -1;
      ++count;
      if (group.size() == part.size()) return count;
      part.remove_prefix(group.size() + 1);
    }
  };
  if (gap == std::string_view::npos) return groups(text) == 8;
  const int before = groups(text.substr(0, gap));
  const int after = groups(text.substr(gap + 2));
  return before >= 0 && after >= 0 && before + after < 8;
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const std::string_view label = text.substr(0, text.find('.'));
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!only(label, [](char c) { return is_alnum(c) || c == '-' || c == '_'; })) return false;
    if (label.size() == text.size()) return true;
    text.remove_prefix(label.size() + 1);
  }
}

/// FLAKE or FLAKE#ATTRIBUTE, as it stands behind "nix:".
std::string nix_package(std::string_view text) {
  static constexpr std::array<std::string_view, 3> known = {"codex-cli-nix", "llm-agents", "nixpkgs"};
  const std::size_t hash = text.find('#');
  const std::string reference(text.substr(0, hash));
  const bool named = std::find(known.begin(), known.end(), reference) != known.end();
  if (!flake(reference).empty() || (!named && reference.find(':') == std::string::npos)) {
    return "must name a flake after nix: codex-cli-nix, llm-agents, nixpkgs or a reference such as github:OWNER/REPO";
  }
  // Neither of the two has a package that is meant when none is named.
  if (hash == std::string_view::npos) {
    return reference == "llm-agents" || reference == "nixpkgs" ? "must name a package too, as nix:llm-agents#codex"
                                                               : "";
  }
  return package(std::string(text.substr(hash + 1))).empty() ? "" : "must name a package after # such as codex";
}

}  // namespace

std::string any_line(const std::string& value) {
  if (has_control(value)) return "must be one line without control characters";
  return value.size() > max_line ? "must be shorter than 4000 bytes" : "";
}

std::string non_empty(const std::string& value) {
  return value.empty() ? "must not be empty" : any_line(value);
}

std::string argument(const std::string& value) {
  if (value.find('\0') != std::string::npos) return "must not hold a NUL byte";
  return value.size() >= max_argument ? "must be shorter than 128 KiB" : "";
}

std::string connect(const std::string& value) {
  if (value == "embed" || value == "session" || value == "system") return "";
  const std::size_t scheme = value.find("://");
  const bool qemu = value.starts_with("qemu:///") || (value.starts_with("qemu+") && scheme != std::string::npos);
  return qemu && any_line(value).empty() ? ""
                                         : "must be embed, session, system or a libvirt URI such as qemu:///session";
}

std::string profile_name(const std::string& value) {
  const bool path = value.find('/') != std::string::npos;
  const bool name = !value.empty() && value.size() <= 100 && value.front() != '.' &&
                    only(value, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
  if (name || (path && any_line(value).empty())) return "";
  return "must be a profile's name (letters, digits, '-', '_', '.') or a path with a slash";
}

std::string package(const std::string& value) {
  const bool right = !value.empty() && value.size() <= 200 && only(value, [](char c) {
    return is_alnum(c) || c == '-' || c == '_' || c == '.' || c == '+' || c == '\'';
  });
  return right && value.front() != '.' && value.front() != '-' && value.back() != '.' &&
                 value.find("..") == std::string::npos
             ? ""
             : "must be a nixpkgs attribute path such as python3Packages.numpy";
}

std::string flake(const std::string& value) {
  const bool right = non_empty(value).empty() && value.find_first_of(" \"\\$") == std::string::npos;
  return right ? "" : "must be a flake reference such as github:NixOS/nixpkgs/nixos-unstable";
}

std::string image(const std::string& value) {
  return value.empty() || (normal_path(value) && value != "/") ? "" : "must be an absolute path, as of /nix/store";
}

std::string tool(const std::string& value) {
  const bool right = !value.empty() && value.size() <= 100 && value.front() != '-' && value != "." && value != ".." &&
                     only(value, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.' || c == '+'; });
  return right ? "" : "must be a command's name without a slash";
}

std::string exposed_path(const std::string& value) {
  const auto path = normal_path(value, true);
  if (!path) return path_refusal(value, true);
  if (!is_plain_path(*path)) return "must be free of : \" \\ $ ` and %, which cannot stand in a PATH";
  if (const auto refusal = exposure_refusal(*path, "")) return "must not be shown to a guest: " + *refusal;
  return "";
}

std::string user(const std::string& value) {
  // Also groups, as a user has one of its own: NixOS refuses "wheel" with another gid only after a minute's evaluation.
  // What every NixOS has (users.users and users.groups of nixpkgs, July 2026), and accounts that its commonest services
  // make.
  static constexpr std::array<std::string_view, 44> taken = {
      "root",  "daemon", "bin",        "sys",        "nobody",   "_apt",   "nogroup", "sudo",   "adm",
      "audio", "cdrom",  "clock",      "dialout",    "disk",     "floppy", "input",   "keys",   "kmem",
      "kvm",   "lp",     "messagebus", "render",     "sgx",      "shadow", "staff",   "tape",   "tty",
      "users", "utmp",   "uucp",       "video",      "wheel",    "acme",   "avahi",   "docker", "libvirtd",
      "mysql", "nginx",  "nscd",       "polkituser", "postgres", "redis",  "rtkit",   "sshd"};
  const bool right = !value.empty() && value.size() <= 31 && (is_lower(value.front()) || value.front() == '_') &&
                     only(value, [](char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '_'; });
  if (!right)
    return "must be a user name: a lower-case letter, then lower-case letters, digits, '-' or '_', at most 31";
  if (std::find(taken.begin(), taken.end(), value) != taken.end() || value.starts_with("nixbld") ||
      value.starts_with("systemd-"))
    return "must be an ordinary user, not one of the system's";
  return "";
}

std::string mount(const std::string& value) {
  const auto path = normal_path(value);
  if (!path) return path_refusal(value);
  if (path->size() > 200) return "must be at most 200 bytes long";
  if (const auto refusal = mount_refusal(*path)) return "must be another directory: " + *refusal;
  return "";
}

std::string hidden_glob(const std::string& value) {
  if (value.empty() || has_control(value) || value.size() > max_line) return "must be a glob pattern";
  if (value.front() == '/' || value.front() == '~') return "must be relative to the workspace";
  const std::string framed = "/" + value + "/";
  return framed.find("/../") != std::string::npos ? "must stay inside the workspace (no '..')" : "";
}

std::string domain(const std::string& value) {
  const std::string_view name = value.starts_with("*.") ? std::string_view(value).substr(2) : std::string_view(value);
  const bool numeric = is_ipv4(name);
  return is_host_name(name) && !(numeric && name.size() != value.size())
             ? ""
             : "must be a domain, or '*.' and a domain, without scheme, port or path";
}

std::string reachable(const std::string& value) {
  const std::size_t colon = value.rfind(':');
  const std::string host = value.substr(0, colon);
  const bool port_wrong = colon != std::string::npos && !port(std::string_view(value).substr(colon + 1));
  const bool named = host == "localhost" || is_ipv4(host) || domain(host).empty();
  return value == "*" || (named && !port_wrong) ? ""
                                                : "must be a host, '*.' and a domain, or '*', with or without ':PORT'";
}

std::optional<Published> parse_publish(std::string_view text) {
  const std::size_t last = text.rfind(':');
  if (last == std::string_view::npos || last == 0) return std::nullopt;
  const std::size_t middle = text.rfind(':', last - 1);
  if (middle == std::string_view::npos || middle + 1 == last || last + 1 == text.size()) return std::nullopt;
  std::string_view address = text.substr(0, middle);
  const auto host_port = port(text.substr(middle + 1, last - middle - 1));
  const auto guest_port = port(text.substr(last + 1));
  if (!host_port || !guest_port) return std::nullopt;
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
    if (!is_ipv6(address)) return std::nullopt;
  } else if (!is_ipv4(address)) {
    return std::nullopt;
  }
  return Published{std::string(address), *host_port, *guest_port};
}

std::string publish(const std::string& value) {
  return parse_publish(value) ? "" : "must be ADDRESS:PORT:GUEST_PORT such as 127.0.0.1:8080:80";
}

std::string publish_hint(const std::string& value) {
  const std::string meant = "127.0.0.1:" + value + (value.find(':') == std::string::npos ? ":" + value : "");
  return parse_publish(meant) ? "did you mean '" + meant + "'?" : "";
}

std::string agent_package(const std::string& value) {
  if (value == "auto" || value == "host") return "";
  if (value.starts_with("nix:")) return nix_package(std::string_view(value).substr(4));
  if (value.starts_with("./") && any_line(value).empty()) return "";
  return normal_path(value, true) && value.size() > 2
             ? ""
             : "must be auto, host, nix:PACKAGE or a path (absolute, ~/ or ./)";
}

std::string url_host(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  const std::string_view kind = url.substr(0, scheme);
  if (kind != "http" && kind != "https") return "";
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (url.starts_with('[')) return std::string(url.substr(0, url.find(']') + 1));
  return std::string(url.substr(0, url.find(':')));
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || (is_ipv4(host) && host.starts_with("127."));
}

std::string upstream(const std::string& value) {
  static const std::string form = "must be an https URL such as https://api.openai.com/v1";
  if (!non_empty(value).empty() || value.find_first_of(" \\\"<>`{}|^") != std::string::npos) return form;
  const std::string host = url_host(value);
  const bool bracketed =
      host.size() > 2 && host.front() == '[' && is_ipv6(std::string_view(host).substr(1, host.size() - 2));
  std::string_view rest = std::string_view(value).substr(std::min(value.size(), value.find("://") + 3));
  if (rest.substr(0, rest.find('/')).find('@') != std::string_view::npos) {
    return "must not hold a user or password: model.key says where the key is";
  }
  if (!bracketed && !is_host_name(host)) return form;
  if (value.find_first_of("?#") != std::string::npos) return "must have no query and no fragment";
  rest.remove_prefix(host.size());
  if (rest.starts_with(':') && !port(rest.substr(1, rest.find('/') - 1))) return "must have a port from 1 to 65535";
  if (!rest.empty() && rest.front() != ':' && rest.front() != '/') return form;
  if (value.starts_with("http://") && !is_loopback(host)) {
    return "must be https: http is accepted for loopback (127.0.0.1, localhost, [::1]) only";
  }
  return "";
}

std::string variable(const std::string& value) {
  const bool right = !value.empty() && value.size() <= 200 && !is_digit(value.front()) &&
                     only(value, [](char c) { return is_alnum(c) || c == '_'; });
  return right ? "" : "must be the name of an environment variable (letters, digits and '_')";
}

std::string key_file(const std::string& value) {
  return normal_path(value, true) && value != "/" && value != "~" ? "" : "must be a path, absolute or with ~/";
}

std::string pool_name(const std::string& value) {
  // With "pool-", "-" and six digits it is the name of a VM, of at most 41 characters.
  const bool right = value.size() <= 24 && !value.starts_with('-') &&
                     only(value, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
  return right ? "" : "must be lower-case letters, digits and '-', at most 24";
}

std::string server_name(const std::string& value) {
  const bool right = !value.empty() && value.size() <= 32 && value.front() != '-' && value.back() != '-' &&
                     only(value, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
  return right ? "" : "must be a server's name: lower-case letters, digits and '-', at most 32";
}

}  // namespace agentvm::vmspec::rules
