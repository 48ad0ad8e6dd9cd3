// startable.cpp - compares where programs lie with the directories that others write.
#include "base/startable.hpp"

#include <algorithm>
#include <sstream>

#include "base/error.hpp"
#include "base/held_directory.hpp"

namespace agentvm {

namespace {

std::vector<std::string>& forbidden() {
  static std::vector<std::string> directories;
  return directories;
}

/// What a path leads to, and the directories that had a say in it.
std::optional<ResolvedPath> look_up(const std::string& path) {
  try {
    return resolve_path(path, true);
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool decided_in(const ResolvedPath& found, const std::string& place) {
  if (lies_within(found.path, place)) return true;
  for (const std::string& holder : found.links_in) {
    if (lies_within(holder, place)) return true;
  }
  return false;
}

}  // namespace

void never_start_from(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    if (std::find(forbidden().begin(), forbidden().end(), directory) == forbidden().end())
      forbidden().push_back(directory);
  }
}

std::optional<std::string> led_out_of(const ResolvedPath& found) {
  for (const std::string& place : forbidden()) {
    if (lies_within(found.path, place)) continue;
    for (const std::string& holder : found.links_in) {
      if (lies_within(holder, place)) return place;
    }
  }
  return std::nullopt;
}

std::optional<std::string> forbidden_place(const std::string& program) {
  if (forbidden().empty()) return std::nullopt;
  const auto found = look_up(program);
  if (!found) return std::nullopt;
  const std::string own = found->path.substr(0, found->path.rfind('/'));
  for (const std::string& place : forbidden()) {
    if (decided_in(*found, place) || (!own.empty() && lies_within(place, own))) return place;
  }
  return std::nullopt;
}

std::string not_started(const std::string& program, const std::string& place) {
  const std::string own = program.substr(0, program.rfind('/'));
  if (lies_within(program, place)) return program + " is not started, because a guest may write in " + place;
  if (lies_within(place, own)) {
    return program + " is not started, because a guest may write in " + place + ", which lies beside it";
  }
  return program + " is not started, because a link leads from it to " + place + ", where a guest may write";
}

std::optional<std::string> place_of_others(const std::string& path) {
  if (forbidden().empty()) return std::nullopt;
  const auto found = look_up(path);
  if (!found) return std::nullopt;
  for (const std::string& place : forbidden()) {
    if (decided_in(*found, place)) return place;
  }
  return std::nullopt;
}

std::string startable_path(const std::string& path) {
  std::string kept;
  std::istringstream entries(path);
  for (std::string entry; std::getline(entries, entry, ':');) {
    if (!entry.starts_with('/')) continue;
    const auto found = look_up(entry);
    bool theirs = false;
    for (const std::string& place : forbidden()) {
      // One that is not there yet may be made: its text says where.
      theirs = theirs || (found ? decided_in(*found, place) : lies_within(entry, place));
    }
    if (!theirs) kept += (kept.empty() ? "" : ":") + entry;
  }
  return kept;
}

}  // namespace agentvm
