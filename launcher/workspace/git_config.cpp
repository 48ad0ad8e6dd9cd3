// git_config.cpp - a Git configuration read for the keys that execute something; the syntax is git-config(1)'s.
#include <algorithm>
#include <array>

#include "launcher/workspace/git_guard.hpp"

namespace agentvm::workspace {

namespace {

constexpr std::size_t longest_value = 200;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

/// Of SECTION.KEY, whatever the subsection; "*" for any key. From git-config(1), 2.39 and 2.51.
struct Rule {
  std::string_view section;
  std::string_view key;
  bool only_shell = false;  ///< a program only when the value begins with "!"
};
constexpr std::array<Rule, 44> rules = {{{"core", "fsmonitor"},
                                         {"core", "hookspath"},
                                         {"core", "sshcommand"},
                                         {"core", "pager"},
                                         {"core", "editor"},
                                         {"core", "askpass"},
                                         {"core", "gitproxy"},
                                         {"core", "worktree"},
                                         {"core", "attributesfile"},
                                         {"core", "alternaterefscommand"},
                                         {"alias", "*", true},
                                         {"filter", "clean"},
                                         {"filter", "smudge"},
                                         {"filter", "process"},
                                         {"diff", "external"},
                                         {"diff", "command"},
                                         {"diff", "textconv"},
                                         {"merge", "driver"},
                                         {"mergetool", "cmd"},
                                         {"mergetool", "path"},
                                         {"difftool", "cmd"},
                                         {"difftool", "path"},
                                         {"credential", "helper"},
                                         {"gpg", "program"},
                                         {"gpg", "defaultkeycommand"},
                                         {"sequence", "editor"},
                                         {"pager", "*"},
                                         {"interactive", "difffilter"},
                                         {"include", "path"},
                                         {"includeif", "path"},
                                         {"init", "templatedir"},
                                         {"remote", "uploadpack"},
                                         {"remote", "receivepack"},
                                         {"remote", "vcs"},
                                         {"remote", "proxy"},
                                         {"submodule", "update", true},
                                         {"trailer", "command"},
                                         {"trailer", "cmd"},
                                         {"uploadpack", "packobjectshook"},
                                         {"man", "cmd"},
                                         {"browser", "cmd"},
                                         {"sendemail", "*"},
                                         {"instaweb", "httpd"},
                                         {"hook", "*"}}};

bool executes(std::string_view section, std::string_view key, std::string_view value) {
  return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
    return rule.section == section && (rule.key == "*" || rule.key == key) &&
           (!rule.only_shell || value.find('!') != std::string_view::npos);
  });
}

/// Reads as Git does, but never refuses: a configuration that Git would not take executes nothing.
class ConfigReader {
 public:
  explicit ConfigReader(std::string_view text) : text_(text) {}

  std::set<std::string> read() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#' || c == ';') {
        skip_line();
      } else if (c == '[') {
        section();
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else {
        entry();
      }
    }
    return std::move(found_);
  }

 private:
  void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }

  /// [NAME], [NAME "SUBSECTION"] or [NAME.SUBSECTION]
  void section() {
    const std::size_t end = std::min(text_.find_first_of(" \t.\"]\n", at_ + 1), text_.size());
    section_ = lower(text_.substr(at_ + 1, end - at_ - 1));
    subsection_.clear();
    at_ = end;
    bool quoted = false;
    for (; at_ < text_.size() && text_[at_] != '\n' && (quoted || text_[at_] != ']'); ++at_) {
      if (text_[at_] == '"') {
        quoted = !quoted;
      } else {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
        subsection_ += text_[at_];
      }
    }
    if (at_ < text_.size()) ++at_;
    const std::size_t first = subsection_.find_first_not_of(" \t.");
    subsection_ = first == std::string::npos ? "" : "." + subsection_.substr(first);
  }

  void entry() {
    const std::size_t end = std::min(text_.find_first_of("= \t\n#;", at_), text_.size());
    std::string key = lower(text_.substr(at_, end - at_));
    while (!key.empty() && key.back() == '\r') key.pop_back();
    at_ = end;
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    std::string value = "true";
    if (at_ < text_.size() && text_[at_] == '=') {
      ++at_;
      value = this->value();
    } else {
      skip_line();
    }
    if (executes(section_, key, value)) {
      found_.insert(section_ + subsection_ + "." + key + "=" + value.substr(0, longest_value));
    }
  }

  std::string value() {
    std::string out;
    bool quoted = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') break;
      if (c == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
        if (text_[at_] != '\n') out += text_[at_];
      } else if (c == '"') {
        quoted = !quoted;
      } else if (!quoted && (c == '#' || c == ';')) {
        skip_line();
        break;
      } else {
        out += c;
      }
    }
    const std::size_t first = std::min(out.find_first_not_of(" \t\r"), out.size());
    const std::size_t last = out.find_last_not_of(" \t\r");
    return last == std::string::npos ? "" : out.substr(first, last - first + 1);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string section_, subsection_;
  std::set<std::string> found_;
};

}  // namespace

std::set<std::string> executing_settings(std::string_view config) {
  // Git passes a byte order mark over.
  if (config.starts_with("\xef\xbb\xbf")) config.remove_prefix(3);
  return ConfigReader(config).read();
}

}  // namespace agentvm::workspace
