// completion.cpp - writes completion scripts.
#include "launcher/cli/completion.hpp"

#include <CLI/App.hpp>
#include <algorithm>
#include <vector>

namespace agentvm::cli {

namespace {

struct OptionInfo {
  std::vector<std::string> names;  ///< "-p", "--prompt"
  std::string description;
  std::string type;  ///< "" for a flag
};

struct VerbInfo {
  std::string path;  ///< "run", "profile show"
  std::string description;
  std::vector<OptionInfo> options;
  std::string positional;              ///< its type; "" when there is none
  std::vector<const CLI::App*> verbs;  ///< below it
};

VerbInfo describe(const CLI::App& app, const std::string& path) {
  VerbInfo info{path, app.get_description(), {}, {}, app.get_subcommands([](const CLI::App*) { return true; })};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      info.positional = option->get_type_name();
      continue;
    }
    if (option->get_group().empty()) continue;
    OptionInfo described{{}, option->get_description(), {}};
    for (const std::string& name : option->get_snames()) described.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) described.names.push_back("--" + name);
    if (option->get_type_size_max() > 0) described.type = option->get_type_name();
    info.options.push_back(std::move(described));
  }
  return info;
}

void walk(const CLI::App& app, const std::string& path, std::vector<VerbInfo>& all) {
  all.push_back(describe(app, path));
  const std::vector<const CLI::App*> verbs = all.back().verbs;
  for (const CLI::App* verb : verbs) walk(*verb, path.empty() ? verb->get_name() : path + " " + verb->get_name(), all);
}

std::string single_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// The words "a|b|c" as "a b c"; "" when the type is no list of words.
std::string choices(std::string type) {
  if (type.find('|') == std::string::npos) return {};
  std::replace(type.begin(), type.end(), '|', ' ');
  return type;
}

/// What a POSIX-like shell must run to print the possible values; "" for free text.
std::string value_words(const std::string& type) {
  if (type == "VM") return "$(agentvm ls -q 2>/dev/null)";
  if (type == "PROFILE") return "$(agentvm profile list -q 2>/dev/null)";
  return choices(type);
}

std::string verb_words(const VerbInfo& info) {
  std::string words;
  for (const CLI::App* verb : info.verbs) words += (words.empty() ? "" : " ") + verb->get_name();
  return words;
}

std::string option_words(const VerbInfo& info) {
  std::string words;
  for (const OptionInfo& option : info.options) words += (words.empty() ? "" : " ") + option.names.back();
  return words;
}

/// How both bash and zsh say "these values"; `words`, `files` and `directories` are functions of the script.
std::string offer(const std::string& type) {
  if (type == "DIR") return "_agentvm_directories";
  if (type == "FILE") return "_agentvm_files";
  const std::string words = value_words(type);
  std::string call = words.empty() ? ":" : "_agentvm_words \"" + words + "\"";
  if (type == "PROFILE") call += "; _agentvm_files";  // a profile may be a file
  return call;
}

/// The body that bash and zsh share: $verb is the path of the verb, $prev the word before, $cur the one to complete.
std::string posix_body(const std::vector<VerbInfo>& all) {
  std::string body = "  case \"$verb\" in\n";
  for (const VerbInfo& info : all) {
    body += "  " + single_quoted(info.path) + ")\n    case \"$prev\" in\n";
    for (const OptionInfo& option : info.options) {
      if (option.type.empty()) continue;
      std::string names;
      for (const std::string& name : option.names) names += (names.empty() ? "" : "|") + name;
      body += "    " + names + ") " + offer(option.type) + "; return ;;\n";
    }
    body += "    esac\n    case \"$cur\" in\n    -*) _agentvm_words \"" + option_words(info) + "\" ;;\n    *) ";
    const std::string verbs = verb_words(info);
    body += (verbs.empty() ? offer(info.positional) : "_agentvm_words \"" + verbs + "\"") + " ;;\n    esac ;;\n";
  }
  return body + "  esac\n";
}

/// Finds $verb among the words before the cursor; `words` and `first` differ between the shells.
std::string verb_finder(const std::vector<VerbInfo>& all, const std::string& word_at, const std::string& first,
                        const std::string& before) {
  std::string finder = "  local verb= i\n  for ((i = " + first + "; i < " + before + "; i++)); do\n    case \"" +
                       word_at + "\" in\n    --) return ;;\n    esac\n    case \"$verb${verb:+ }" + word_at +
                       "\" in\n    ";
  std::string paths;
  for (const VerbInfo& info : all) {
    if (!info.path.empty()) paths += (paths.empty() ? "" : "|") + single_quoted(info.path);
  }
  return finder + paths + ") verb=\"$verb${verb:+ }" + word_at + "\" ;;\n    esac\n  done\n";
}

std::string bash_script(const std::vector<VerbInfo>& all) {
  return R"(# bash completion for agentvm; source <(agentvm completion bash)
_agentvm_words() { COMPREPLY+=($(compgen -W "$1" -- "$cur")); }
_agentvm_files() { compopt -o filenames; COMPREPLY+=($(compgen -f -- "$cur")); }
_agentvm_directories() { compopt -o filenames; COMPREPLY+=($(compgen -d -- "$cur")); }
_agentvm() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD - 1]}"
  COMPREPLY=()
)" + verb_finder(all, "${COMP_WORDS[i]}", "1", "COMP_CWORD") +
         posix_body(all) + "}\ncomplete -F _agentvm agentvm\n";
}

std::string zsh_script(const std::vector<VerbInfo>& all) {
  return R"(#compdef agentvm
# zsh completion for agentvm; agentvm completion zsh > "${fpath[1]}/_agentvm"
_agentvm_words() { local -a candidates; candidates=(${=1}); compadd -- $candidates; }
_agentvm_files() { _files; }
_agentvm_directories() { _files -/; }
_agentvm() {
  local cur="${words[CURRENT]}" prev="${words[CURRENT - 1]}"
)" + verb_finder(all, "${words[i]}", "2", "CURRENT") +
         posix_body(all) +
         "}\nif [ \"$funcstack[1]\" = _agentvm ]; then _agentvm \"$@\"; else compdef _agentvm agentvm; fi\n";
}

std::string fish_condition(const std::string& path) {
  if (path.empty()) return "__fish_use_subcommand";
  const auto space = path.find(' ');
  if (space == std::string::npos) return "__fish_seen_subcommand_from " + path;
  return "__fish_seen_subcommand_from " + path.substr(0, space) + "; and __fish_seen_subcommand_from " +
         path.substr(space + 1);
}

std::string fish_values(const std::string& type) {
  if (type == "VM") return " -xa '(agentvm ls -q 2>/dev/null)'";
  if (type == "PROFILE") return " -ra '(agentvm profile list -q 2>/dev/null)'";
  if (type == "DIR") return " -xa '(__fish_complete_directories)'";
  if (type == "FILE") return " -rF";
  const std::string words = choices(type);
  return words.empty() ? " -x" : " -xa '" + words + "'";
}

std::string fish_script(const std::vector<VerbInfo>& all) {
  std::string script =
      "# fish completion for agentvm; agentvm completion fish > ~/.config/fish/completions/agentvm.fish\n"
      "complete -c agentvm -f\n";
  for (const VerbInfo& info : all) {
    const std::string line = "complete -c agentvm -n " + single_quoted(fish_condition(info.path));
    for (const CLI::App* verb : info.verbs) {
      std::string condition = fish_condition(info.path);
      if (!info.path.empty()) condition += "; and not __fish_seen_subcommand_from " + verb_words(info);
      script += "complete -c agentvm -n " + single_quoted(condition) + " -a " + verb->get_name() + " -d " +
                single_quoted(verb->get_description()) + "\n";
    }
    for (const OptionInfo& option : info.options) {
      script += line;
      for (const std::string& name : option.names) {
        script += name.rfind("--", 0) == 0 ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (!option.type.empty()) script += fish_values(option.type);
      script += " -d " + single_quoted(option.description) + "\n";
    }
    if (info.verbs.empty() && !info.positional.empty()) script += line + fish_values(info.positional) + "\n";
  }
  return script;
}

}  // namespace

std::string completion_script(const CLI::App& tree, const std::string& shell) {
  std::vector<VerbInfo> all;
  walk(tree, "", all);
  if (shell == "bash") return bash_script(all);
  if (shell == "zsh") return zsh_script(all);
  return fish_script(all);
}

}  // namespace agentvm::cli
