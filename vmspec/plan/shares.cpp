// shares.cpp - which host directories the guest sees, and where.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "vmspec/plan/names.hpp"
#include "vmspec/plan/paths.hpp"
#include "vmspec/plan/planner.hpp"

namespace agentvm::vmspec {

namespace {

constexpr std::string_view agent_mount = "/run/agentvm/agent";
/// Every share is a virtiofsd and a PCI device.
constexpr std::size_t max_shares = 16;

/// On a merged /usr, /bin/x is /usr/bin/x.
bool is_system(std::string_view path) {
  for (const std::string_view tree : {"/usr", "/bin", "/sbin", "/lib", "/lib64"}) {
    if (is_within(path, tree)) return true;
  }
  return false;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.size(), text.find(separator));
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return out;
}

}  // namespace

void Planner::add_share(ShareSpec share) {
  spec_.shares.push_back(std::move(share));
}

void Planner::system_share() {
  if (nix() != nullptr) {
    nix_store_share(*nix());
  } else {
    add_share({.tag = system_tag, .source = "/usr", .mount_point = "/usr"});
  }
}

void Planner::workspace() {
  spec_.workspace = request_.workspace;
  spec_.workspace_mode = profile_.workspace.mode;
  const auto path = normal_path(request_.workspace);
  if (!path) {
    refuse_run(fmt::format("the workspace {} {}", quote_value(request_.workspace), path_refusal(request_.workspace)),
               "give the directory of a project by another name");
    return;
  }
  if (*path == "/" || (!facts_.home.empty() && is_within(facts_.home, *path))) {
    refuse_run(fmt::format("the workspace {} holds your home directory, with all its keys", quote_value(*path)),
               "give the directory of one project");
  } else if (const auto refusal = exposure_refusal(*path, facts_.home)) {
    refuse_run(fmt::format("the workspace {} must not be shown to a guest: {}", quote_value(*path), *refusal),
               "give the directory of one project");
  }
  add_share({.tag = workspace_tag,
             .source = *path,
             .mount_point = mount(),
             .read_only = profile_.workspace.mode == WorkspaceMode::read_only,
             .owner = ShareOwner::caller});
}

void Planner::exposed_shares() {
  if (nix() != nullptr) return;
  std::set<std::string> done;
  for (const std::string& path : profile_.guest.expose) {
    if (!done.insert(path).second) continue;
    const auto found = facts_.paths.find(path);
    if (found == facts_.paths.end()) {
      note(fmt::format("guest.expose: {} is not on this host and is left out.", path));
    } else {
      expose(path, found->second);
    }
  }
  if (spec_.shares.size() > max_shares) {
    refuse("guest.expose",
           fmt::format("a machine may have at most {} shared directories (got {})", max_shares, spec_.shares.size()));
  }
}

void Planner::expose(const std::string& path, const HostFacts::PathFacts& found) {
  const std::string host_path = expand_home(path, facts_.home);
  // A link may lead where the profile's own text does not: what it leads to counts.
  for (const std::string& candidate : {host_path, found.real}) {
    if (const auto refusal = exposure_refusal(candidate, facts_.home)) {
      refuse("guest.expose", fmt::format("{} must not be shown to a guest: {}", quote_value(path), *refusal));
      return;
    }
  }
  if (!found.directory) {
    const std::string parent = path.substr(0, std::max<std::size_t>(1, path.rfind('/')));
    refuse("guest.expose", fmt::format("{} is a file, and only directories can be shared", quote_value(path)),
           fmt::format("expose its directory ({})", parent));
    return;
  }
  const std::string mount_point = expand_home(path, home());
  for (const std::string& bin : found.bin_dirs) {
    if (!is_within(bin, host_path) || !is_plain_path(bin)) continue;
    exposed_bins_.push_back(mount_point + bin.substr(host_path.size()));
  }
  if (is_system(host_path)) {
    note(fmt::format("guest.expose: {} is in the guest anyway.", path));
    return;
  }
  add_share({.tag = fmt::format("expose{}", spec_.shares.size()), .source = found.real, .mount_point = mount_point});
}

void Planner::agent_share() {
  if (nix() != nullptr && nix()->agent) {
    agent_program_ = *nix()->agent;
  } else if (kind_of(profile_, request_) == AgentKind::codex && !facts_.codex.path.empty()) {
    const std::string& program = facts_.codex.path;
    const std::size_t slash = program.rfind('/');
    const std::string directory = program.substr(0, std::max<std::size_t>(1, slash));
    if (nix() == nullptr && is_system(program)) {
      agent_program_ = program;
    } else if (const auto refusal = agent_program_refusal(program, facts_.home)) {
      refuse("agent.package",
             fmt::format("Codex is {}, and its directory must not be shown to a guest: {}", program, *refusal),
             "put it into a directory of its own, or under /usr", ExitCode::cannot_start);
    } else {
      agent_program_ = fmt::format("{}/{}", agent_mount, program.substr(slash + 1));
      add_share({.tag = agent_tag, .source = directory, .mount_point = std::string(agent_mount)});
    }
  }
  // A share inside another one's directory is mounted after it.
  std::stable_sort(spec_.shares.begin(), spec_.shares.end(), [](const ShareSpec& a, const ShareSpec& b) {
    return std::count(a.mount_point.begin(), a.mount_point.end(), '/') <
           std::count(b.mount_point.begin(), b.mount_point.end(), '/');
  });
}

/// Exposed directories first: that is what they are exposed for. Then what the caller's own PATH has under /usr.
void Planner::guest_path() {
  if (nix() != nullptr) return;  // the image's
  std::vector<std::string> parts = exposed_bins_;
  const std::vector<std::string> standard = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                             "/usr/bin",        "/sbin",          "/bin"};
  for (const std::string& entry : split(facts_.path, ':')) {
    const auto path = normal_path(entry);
    if (!path || !is_within(*path, "/usr") || !is_plain_path(*path)) continue;
    if (std::find(standard.begin(), standard.end(), *path) == standard.end()) parts.push_back(*path);
  }
  parts.insert(parts.end(), standard.begin(), standard.end());
  std::set<std::string> seen;
  for (const std::string& part : parts) {
    if (!seen.insert(part).second) continue;
    if (!spec_.image.path.empty()) spec_.image.path += ':';
    spec_.image.path += part;
  }
}

bool Planner::guest_sees(std::string_view host_path) const {
  if (is_system(host_path)) return true;
  return std::any_of(profile_.guest.expose.begin(), profile_.guest.expose.end(), [&](const std::string& path) {
    const auto found = facts_.paths.find(path);
    return found != facts_.paths.end() &&
           (is_within(host_path, expand_home(path, facts_.home)) || is_within(host_path, found->second.real));
  });
}

}  // namespace agentvm::vmspec
