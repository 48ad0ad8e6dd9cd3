// git_config.cpp - reads a Git configuration; the syntax is git-config(1)'s.
#include "launcher/host/git_config.hpp"

#include <algorithm>

namespace agentvm::host {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

char escaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    default:
      return c;
  }
}

class ConfigReader {
 public:
  ConfigReader(std::string_view text, const std::function<void(const GitSetting&)>& each) : text_(text), each_(each) {}

  void read() {
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
  }

 private:
  void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }

  /// [NAME], [NAME "SUBSECTION"] or [NAME.SUBSECTION]
  void section() {
    const std::size_t end = std::min(text_.find_first_of(" \t.\"]\n", at_ + 1), text_.size());
    setting_.section = lower(text_.substr(at_ + 1, end - at_ - 1));
    std::string& subsection = setting_.subsection;
    subsection.clear();
    at_ = end;
    bool quoted = false;
    for (; at_ < text_.size() && text_[at_] != '\n' && (quoted || text_[at_] != ']'); ++at_) {
      if (text_[at_] == '"') {
        quoted = !quoted;
      } else {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
        subsection += text_[at_];
      }
    }
    if (at_ < text_.size()) ++at_;
    subsection.erase(0, std::min(subsection.find_first_not_of(" \t."), subsection.size()));
  }

  void entry() {
    const std::size_t end = std::min(text_.find_first_of("= \t\n#;", at_), text_.size());
    setting_.key = lower(text_.substr(at_, end - at_));
    while (!setting_.key.empty() && setting_.key.back() == '\r') setting_.key.pop_back();
    at_ = end;
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    setting_.value = "true";
    if (at_ < text_.size() && text_[at_] == '=') {
      ++at_;
      setting_.value = value();
    } else {
      skip_line();
    }
    each_(setting_);
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
        if (text_[at_] != '\n') out += escaped(text_[at_]);
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
  const std::function<void(const GitSetting&)>& each_;
  GitSetting setting_;
};

}  // namespace

void read_git_config(std::string_view config, const std::function<void(const GitSetting&)>& each) {
  // Git passes a byte order mark over.
  if (config.starts_with("\xef\xbb\xbf")) config.remove_prefix(3);
  ConfigReader(config, each).read();
}

}  // namespace agentvm::host
