// ignored_files.cpp - gitignore(5), read from a directory that an agent wrote in.
#include "launcher/run/ignored_files.hpp"

#include <map>
#include <optional>
#include <unordered_set>

#include "base/error.hpp"
#include "launcher/nix/beneath.hpp"
#include "launcher/nix/git_index.hpp"

namespace agentvm::commands {

namespace {

constexpr std::size_t most_bytes = std::size_t{64} << 10;
constexpr std::size_t most_patterns = 1000;
constexpr std::size_t longest_pattern = 256;
/// Stars are tried by going back: somebody's patterns must not take minutes for somebody's names.
constexpr std::size_t most_steps = 20'000'000;

/// "[a-z]", "[!a]" of a pattern that begins with "[": whether `c` is in it, and how long it is; nullopt: it has no end.
std::optional<std::pair<bool, std::size_t>> match_set(std::string_view glob, char c) {
  std::size_t i = 1;
  const bool negated = i < glob.size() && (glob[i] == '!' || glob[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (bool first = true; i < glob.size() && (glob[i] != ']' || first); first = false) {
    if (glob[i] == '\\' && i + 1 < glob.size()) ++i;
    const auto low = static_cast<unsigned char>(glob[i++]);
    auto high = low;
    if (i + 1 < glob.size() && glob[i] == '-' && glob[i + 1] != ']') {
      high = static_cast<unsigned char>(glob[i + 1]);
      i += 2;
    }
    found = found || (static_cast<unsigned char>(c) >= low && static_cast<unsigned char>(c) <= high);
  }
  if (i >= glob.size()) return std::nullopt;
  return std::pair{found != negated, i + 1};
}

/// wildmatch with WM_PATHNAME: "*" stays within a name, "**" between slashes does not.
bool match_glob(std::string_view glob, std::string_view text, std::size_t& steps) {
  if (steps == 0) return false;
  --steps;
  while (!glob.empty()) {
    if (glob.starts_with("**/")) {
      if (match_glob(glob.substr(3), text, steps)) return true;
      const std::size_t slash = text.find('/');
      if (slash == std::string_view::npos) return false;
      return match_glob(glob, text.substr(slash + 1), steps);
    }
    if (glob == "**") return !text.empty();
    if (glob.front() == '*') {
      while (!glob.empty() && glob.front() == '*') glob.remove_prefix(1);
      for (std::size_t i = 0;; ++i) {
        if (match_glob(glob, text.substr(i), steps)) return true;
        if (i == text.size() || text[i] == '/' || steps == 0) return false;
      }
    }
    if (text.empty()) return false;
    if (glob.front() == '?') {
      if (text.front() == '/') return false;
      glob.remove_prefix(1);
    } else if (const auto set = glob.front() == '[' ? match_set(glob, text.front()) : std::nullopt) {
      if (!set->first || text.front() == '/') return false;
      glob.remove_prefix(set->second);
    } else {
      if (glob.front() == '\\' && glob.size() > 1) glob.remove_prefix(1);
      if (glob.front() != text.front()) return false;
      glob.remove_prefix(1);
    }
    text.remove_prefix(1);
  }
  return text.empty();
}

/// Reads each .gitignore once.
class Ignored {
 public:
  Ignored(HeldDirectory workspace, const supervisor::Report& report) : files_(std::move(workspace)) {
    for (const auto& file : report.files) {
      if (file.path == ".gitignore" || file.path.ends_with("/.gitignore")) changed_.insert(file.path);
    }
  }

  /// The verdicts are worth nothing.
  bool gave_up() const { return steps_ == 0; }

  /// A directory that is ignored takes all below it along; else the last word of the nearest file counts.
  bool ignores(std::string_view path) {
    for (std::size_t end = path.find('/'); end != std::string_view::npos; end = path.find('/', end + 1)) {
      if (ignores_itself(path.substr(0, end), true)) return true;
    }
    return ignores_itself(path, false);
  }

 private:
  bool ignores_itself(std::string_view path, bool directory) {
    const std::string key = std::string(path) + (directory ? "/" : "");
    if (const auto known = verdicts_.find(key); known != verdicts_.end()) return known->second;
    bool ignored = false;
    for (std::size_t slash = path.rfind('/');; slash = path.rfind('/', slash - 1)) {
      const bool top = slash == std::string_view::npos;
      const std::string_view above = top ? std::string_view() : path.substr(0, slash + 1);
      const auto verdict = patterns_of(above).match(path.substr(above.size()), directory, steps_);
      if (verdict != IgnorePatterns::Verdict::none) {
        ignored = verdict == IgnorePatterns::Verdict::ignored;
        break;
      }
      if (top || slash == 0) break;
    }
    if (directory) verdicts_.emplace(key, ignored);
    return ignored;
  }

  const IgnorePatterns& patterns_of(std::string_view directory) {
    const std::string path = std::string(directory) + ".gitignore";
    const auto known = patterns_.find(path);
    if (known != patterns_.end()) return known->second;
    std::string text;
    if (!changed_.contains(path)) {
      try {
        const auto content = devshell::read_beneath(files_, path, most_bytes);
        if (content && !content->link) text = content->text;
      } catch (const Error&) {
        // One that cannot be read ignores nothing.
      }
    }
    return patterns_.emplace(path, IgnorePatterns(text)).first->second;
  }

  HeldDirectory files_;
  std::unordered_set<std::string> changed_;
  std::map<std::string, IgnorePatterns> patterns_;
  std::map<std::string, bool> verdicts_;  ///< of directories
  std::size_t steps_ = most_steps;
};

}  // namespace

IgnorePatterns::IgnorePatterns(std::string_view text) {
  text = text.substr(0, most_bytes);
  while (!text.empty() && patterns_.size() < most_patterns) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    while (line.ends_with(' ') && !line.ends_with("\\ ")) line.remove_suffix(1);
    if (line.empty() || line.front() == '#' || line.size() > longest_pattern) continue;
    Pattern pattern;
    pattern.negated = line.front() == '!';
    if (pattern.negated) line.remove_prefix(1);
    pattern.directories_only = line.ends_with('/');
    if (pattern.directories_only) line.remove_suffix(1);
    pattern.anchored = line.find('/') != std::string_view::npos;
    if (line.starts_with('/')) line.remove_prefix(1);
    if (line.empty()) continue;
    pattern.glob = std::string(line);
    patterns_.push_back(std::move(pattern));
  }
}

IgnorePatterns::Verdict IgnorePatterns::match(std::string_view path, bool directory, std::size_t& steps) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->directories_only && !directory) continue;
    if (match_glob(pattern->glob, pattern->anchored ? path : name, steps)) {
      return pattern->negated ? Verdict::included : Verdict::ignored;
    }
  }
  return Verdict::none;
}

std::set<std::size_t> ignored_files(const std::string& workspace, const supervisor::Report& report) {
  std::set<std::size_t> indices;
  if (report.files.empty()) return indices;
  try {
    const HeldDirectory held = HeldDirectory::resolve(workspace);
    const devshell::TrackedFiles tracked = devshell::tracked_files(held);
    if (!tracked.repository) return indices;
    const std::unordered_set<std::string> known(tracked.paths.begin(), tracked.paths.end());
    Ignored ignored(held, report);
    for (std::size_t i = 0; i < report.files.size(); ++i) {
      const std::string& path = report.files[i].path;
      if (!known.contains(path) && ignored.ignores(path)) indices.insert(i);
    }
    if (ignored.gave_up()) indices.clear();
  } catch (const Error&) {
    // Then the report lists every file, which is no less true.
    indices.clear();
  }
  return indices;
}

}  // namespace agentvm::commands
