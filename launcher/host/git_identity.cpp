// git_identity.cpp - reads the caller's own Git configuration for a name and an address.
#include "launcher/host/git_identity.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/startable.hpp"
#include "launcher/host/git_config.hpp"
#include "launcher/host/path_facts.hpp"

namespace agentvm::host {

namespace {

constexpr std::size_t largest_config = std::size_t{1} << 20;
/// Git's own limit (MAX_INCLUDE_DEPTH); files that include each other end there.
constexpr int deepest_include = 10;
constexpr int most_configs = 100;
constexpr std::size_t most_glob_steps = 100'000;

/// wildmatch(3) of Git with WM_PATHNAME, without "[": `*` stops at a slash, `**` does not, "**/" may be nothing.
bool glob_matches(std::string_view pattern, std::string_view text, std::size_t& steps) {
  for (;;) {
    if (steps == 0) return false;
    --steps;
    if (pattern.empty()) return text.empty();
    if (pattern.starts_with("**/") && glob_matches(pattern.substr(3), text, steps)) return true;
    if (pattern.front() == '*') {
      const bool everything = pattern.starts_with("**");
      pattern.remove_prefix(everything ? 2 : 1);
      for (std::size_t taken = 0;; ++taken) {
        if (glob_matches(pattern, text.substr(taken), steps)) return true;
        if (taken == text.size() || (text[taken] == '/' && !everything)) return false;
      }
    }
    if (pattern.front() == '[' || text.empty()) return false;
    if (pattern.front() == '\\' && pattern.size() > 1) {
      pattern.remove_prefix(1);
    } else if (pattern.front() == '?' && text.front() != '/') {
      pattern.remove_prefix(1);
      text.remove_prefix(1);
      continue;
    }
    if (pattern.front() != text.front()) return false;
    pattern.remove_prefix(1);
    text.remove_prefix(1);
  }
}

std::string without_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::string directory_above(const std::string& file) {
  return file.substr(0, file.rfind('/'));
}

class IdentityReader {
 public:
  explicit IdentityReader(const std::string& workspace) : gitdir_(workspace + "/.git") {}

  /// A later file's settings win, as a later line's do.
  void read(const std::string& path, int depth = 0) {
    struct stat info {};
    if (path.empty() || path.front() != '/' || depth > deepest_include || files_ >= most_configs) return;
    // A pipe would keep us waiting, and /dev/null is how one says that there is none.
    if (stat(path.c_str(), &info) < 0 || !S_ISREG(info.st_mode)) return;
    ++files_;
    if (const auto place = place_of_others(path)) {
      identity.unread.push_back(path + " is not read, because a guest may write in " + *place);
      return;
    }
    try {
      read_git_config(read_file(path, largest_config), [&](const GitSetting& setting) { take(setting, path, depth); });
    } catch (const Error& error) {
      identity.unread.emplace_back(error.what());
    }
  }

  vmspec::HostFacts::GitIdentity identity;

 private:
  void take(const GitSetting& setting, const std::string& from, int depth) {
    if (setting.section == "user" && setting.subsection.empty()) {
      if (setting.key == "name") identity.name = setting.value;
      if (setting.key == "email") identity.email = setting.value;
      return;
    }
    const bool included = (setting.section == "include" && setting.subsection.empty()) ||
                          (setting.section == "includeif" && holds(setting.subsection, from));
    if (!included || setting.key != "path" || setting.value.empty()) return;
    const std::string path = expand_home(setting.value);
    read(path.front() == '/' ? path : directory_above(from) + "/" + path, depth + 1);
  }

  /// Of Git's conditions those about the place; the others are about what a repository says.
  bool holds(const std::string& condition, const std::string& from) const {
    const std::string home = real_path(home_directory());
    if (condition.starts_with("gitdir:")) return means_gitdir(condition.substr(7), gitdir_, from, home);
    if (!condition.starts_with("gitdir/i:")) return false;
    return means_gitdir(without_case(condition.substr(9)), without_case(gitdir_), without_case(from),
                        without_case(home));
  }

  std::string gitdir_;
  int files_ = 0;
};

}  // namespace

bool means_gitdir(const std::string& pattern, const std::string& gitdir, const std::string& from,
                  const std::string& home) {
  std::string whole = pattern;
  if (pattern.starts_with("~/")) {
    whole = home + pattern.substr(1);
  } else if (pattern.starts_with("./")) {
    whole = directory_above(from) + pattern.substr(1);
  } else if (!pattern.starts_with('/')) {
    whole = "**/" + pattern;
  }
  if (whole.ends_with('/')) whole += "**";
  std::size_t steps = most_glob_steps;
  return glob_matches(whole, gitdir, steps);
}

vmspec::HostFacts::GitIdentity git_identity(const std::string& workspace) {
  IdentityReader reader(workspace);
  if (const char* only = std::getenv("GIT_CONFIG_GLOBAL")) {
    reader.read(only);
    return std::move(reader.identity);
  }
  const std::string home = home_directory();
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const bool given = config != nullptr && config[0] != '\0';
  if (given || !home.empty()) reader.read((given ? config : home + "/.config") + "/git/config");
  if (!home.empty()) reader.read(home + "/.gitconfig");
  return std::move(reader.identity);
}

}  // namespace agentvm::host
