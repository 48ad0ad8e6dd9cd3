// git_guard.hpp - what of a repository the host's Git executes, and what a guest changed of it.
//
// A hook, or a key like core.fsmonitor in .git/config, runs on the host with its user's next `git status`. None of this
// is among a workspace's files as a report lists them. Nothing is executed here, no link is followed, and the guest may
// be writing meanwhile.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace agentvm::workspace {

/// A file, link or directory that Git takes programs or their names from.
struct GitPlace {
  std::string state;               ///< differs whenever what it is differs
  std::set<std::string> executes;  ///< of a configuration: "core.fsmonitor=VALUE" for each key that names a program
  bool operator==(const GitPlace&) const = default;
};
/// By path relative to the workspace.
using GitPlaces = std::map<std::string, GitPlace>;

/// Those of the repositories whose .git (a directory, a file or a link) lie at these paths below the directory, with
/// their submodules and worktrees. `workspace` is an open directory. What cannot be read counts as a state of its own.
GitPlaces git_places(int workspace, const std::vector<std::string>& repositories = {".git"});

struct GitChange {
  std::string path;    ///< relative to the workspace
  std::string reason;  ///< the end of a sentence about it: "is a new hook", "now says core.fsmonitor=touch x"
  bool operator==(const GitChange&) const = default;
};
/// What Git would execute now and would not have before, or not the same; by path. Keys of a configuration that name no
/// program (a branch, a user's name) are none.
std::vector<GitChange> git_changes(const GitPlaces& before, const GitPlaces& now);

/// "SECTION[.SUBSECTION].KEY=VALUE" of each key in a git-config(1) file that names a program, a file of settings or
/// another place of the repository; section and key in lower case, values at most 200 bytes.
std::set<std::string> executing_settings(std::string_view config);

}  // namespace agentvm::workspace
