// ignored_files.hpp - which of a run's changed files Git ignores, so that a report need not list a whole .venv.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/report/report.hpp"

namespace agentvm::commands {

/// The patterns of one .gitignore (gitignore(5)). Pure; bounded in what it reads and in how long it matches.
class IgnorePatterns {
 public:
  /// At most 64 KiB of the text and 1000 of its patterns count.
  explicit IgnorePatterns(std::string_view text);

  enum class Verdict { none, ignored, included };
  /// `path` is relative to the .gitignore's directory. Takes what it costs from `steps`; at 0 nothing matches any more.
  Verdict match(std::string_view path, bool directory, std::size_t& steps) const;

 private:
  struct Pattern {
    std::string glob;
    bool negated = false;
    bool directories_only = false;
    bool anchored = false;  ///< holds a slash: it is matched with the whole path, not with the last name
  };
  std::vector<Pattern> patterns_;
};

/// Indices into report.files of those that Git would ignore: by the .gitignore files of the workspace, as far as they
/// are regular files reached without a link, and were not changed by the run itself, which could hide files so. What
/// Git tracks is never ignored. No Git is started, and none of its configuration is read. Empty when the workspace is
/// no repository, its index cannot be read, or its patterns take too long to match.
std::set<std::size_t> ignored_files(const std::string& workspace, const supervisor::Report& report);

}  // namespace agentvm::commands
