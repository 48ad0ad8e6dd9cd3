// executing_settings.cpp - the keys of a Git configuration that execute something.
#include <algorithm>
#include <array>

#include "launcher/host/git_config.hpp"
#include "launcher/workspace/git_guard.hpp"

namespace agentvm::workspace {

namespace {

constexpr std::size_t longest_value = 200;

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

}  // namespace

std::set<std::string> executing_settings(std::string_view config) {
  std::set<std::string> found;
  host::read_git_config(config, [&found](const host::GitSetting& setting) {
    if (!executes(setting.section, setting.key, setting.value)) return;
    const std::string subsection = setting.subsection.empty() ? "" : "." + setting.subsection;
    found.insert(setting.section + subsection + "." + setting.key + "=" + setting.value.substr(0, longest_value));
  });
  return found;
}

}  // namespace agentvm::workspace
