// accounts.cpp - reads passwd(5) and group(5).
#include "guest/accounts.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace agentvm::guest {

namespace {

/// NGROUPS_MAX of Linux.
constexpr std::size_t most_groups = 65536;

/// Up to the separator; `text` begins after it.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), end + 1));
  return part;
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view name_of(std::string_view passwd, uid_t uid) {
  while (!passwd.empty()) {
    std::string_view line = take(passwd, '\n');
    const std::string_view name = take(line, ':');
    take(line, ':');
    if (number(take(line, ':')) == uid) return name;
  }
  return {};
}

bool has_member(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    if (take(members, ',') == name) return true;
  }
  return false;
}

}  // namespace

std::vector<gid_t> groups_of(std::string_view passwd, std::string_view group, uid_t uid, gid_t gid) {
  std::vector<gid_t> groups{gid};
  const std::string_view name = name_of(passwd, uid);
  while (!name.empty() && !group.empty() && groups.size() < most_groups) {
    std::string_view line = take(group, '\n');
    take(line, ':');
    take(line, ':');
    const auto id = number(take(line, ':'));
    if (id && has_member(line, name) && std::find(groups.begin(), groups.end(), *id) == groups.end()) {
      groups.push_back(*id);
    }
  }
  return groups;
}

}  // namespace agentvm::guest
