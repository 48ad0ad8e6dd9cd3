// parse.cpp - arguments to a value; wrong ones to one sentence with the nearest right one.
#include "launcher/cli/parse.hpp"

#include <CLI/App.hpp>
#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/utf8.hpp"
#include "launcher/cli/completion.hpp"
#include "launcher/cli/tree.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::cli {

using namespace commands;  // every name here is one of its structs
using vmspec::quote_value;

namespace {

Error usage(const std::string& path, const std::string& message, const std::string& hint) {
  return Error((path.empty() ? "" : path + ": ") + message, hint, ExitCode::usage);
}

std::string help_hint(const std::string& path) {
  return "See agentvm " + path + (path.empty() ? "" : " ") + "--help.";
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known, const std::string& path) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  if (const auto near = vmspec::nearest(word, views)) return "Did you mean '" + *near + "'?";
  return help_hint(path);
}

/// Verbs of other tools that are ours under another name.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> aliases{
    {{"kill", "destroy"}, {"list", "ls"}, {"ps", "ls"}, {"rm", "destroy"}, {"ssh", "shell"}}};

/// Verbs of other tools that agentvm has not got, and what is done instead.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> instead{
    {{"cp", "Copy through a pipe: tar c FILE | agentvm exec NAME -- tar x -C /tmp"},
     {"restart", "A VM cannot be started again; agentvm run makes a new one."},
     {"start", "A VM cannot be started again; agentvm run makes a new one."},
     {"stats", "Ask the VM itself: agentvm exec -t NAME -- top"},
     {"top", "Ask the VM itself: agentvm exec -t NAME -- top"}}};

std::string advice_for(const std::string& word, const std::vector<std::string>& verbs) {
  for (const auto& [name, sentence] : instead) {
    if (word == name) return std::string(sentence);
  }
  return did_you_mean(word, verbs, {});
}

/// `help VERB` becomes `VERB --help`, and an alias the verb it stands for. Options may stand before.
void translate(std::vector<std::string>& words) {
  const auto verb =
      std::find_if(words.begin(), words.end(), [](const std::string& word) { return word.empty() || word[0] != '-'; });
  if (verb == words.end()) return;
  if (*verb == "help") {
    words.erase(verb);
    translate(words);
    words.emplace_back("--help");
    return;
  }
  for (const auto& [alias, name] : aliases) {
    if (*verb == alias) *verb = name;
  }
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> verb_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(verb->get_name());
  return names;
}

/// The chosen verb, and its path ("profile show").
const CLI::App& chosen(const CLI::App& tree, std::string& path) {
  const CLI::App* verb = &tree;
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().front();
    path += (path.empty() ? "" : " ") + verb->get_name();
  }
  return *verb;
}

/// Complains about the first word that no option and no positional of this verb took.
void check_extras(const CLI::App& verb, const std::string& path) {
  const std::vector<std::string> extras = verb.remaining();
  if (extras.empty()) return;
  const auto dashed =
      std::find_if(extras.begin(), extras.end(), [](const std::string& word) { return word[0] == '-'; });
  if (dashed != extras.end()) {
    const std::string name = dashed->substr(0, dashed->find('='));
    throw usage(path, "unknown option " + quote_value(name), did_you_mean(name, option_names(verb), path));
  }
  const std::string& word = extras.front();
  const std::vector<std::string> verbs = verb_names(verb);
  if (!verbs.empty()) {
    throw usage(path, "unknown verb " + quote_value(word),
                path.empty() ? advice_for(word, verbs) : did_you_mean(word, verbs, path));
  }
  throw usage(path, "unexpected argument " + quote_value(word),
              path == "run" ? "The prompt comes after --: agentvm run [WORKSPACE] -- PROMPT..." : help_hint(path));
}

/// A word in front of a verb is no part of it: `agentvm foo stop` must not stop anything.
void check_words_before(const CLI::App& tree) {
  std::string path;
  for (const CLI::App* verb = &tree; !verb_names(*verb).empty();) {
    check_extras(*verb, path);
    const auto parsed = verb->get_subcommands();
    if (parsed.empty()) return;
    verb = parsed.front();
    path += (path.empty() ? "" : " ") + verb->get_name();
  }
}

/// `agentvm exec NAME ls -l`: the first word that is not the VM's name begins the command, as for docker.
std::vector<std::string> exec_command(const CLI::App& verb, bool dashes, std::vector<std::string> rest) {
  std::vector<std::string> command = verb.remaining();
  if (!command.empty() && command.front()[0] == '-') check_extras(verb, "exec");
  if (command.empty()) return rest;
  if (dashes) command.emplace_back("--");  // the command's own
  command.insert(command.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
  return command;
}

void check_run(const RunOptions& run) {
  const bool words = !run.command && !run.arguments.empty();
  const int prompts = (run.prompt ? 1 : 0) + (run.prompt_file.empty() ? 0 : 1) + (words ? 1 : 0);
  if (prompts > 1) {
    throw usage("run", "the prompt is given more than once", "Use one of -p, --prompt-file and the words after --.");
  }
  if (run.command && run.arguments.empty()) {
    throw usage("run", "--command needs the command after --", "As in: agentvm run --command -- make test");
  }
  if (run.command && prompts > 0) {
    throw usage("run", "a command takes no prompt", "Drop --command, or -p and --prompt-file.");
  }
  if (run.tty == true && run.detach) {
    throw usage("run", "-t and -d exclude each other", "A run in the background has no terminal; drop one of the two.");
  }
  if (run.prompt && run.prompt->empty()) throw usage("run", "the prompt is empty", help_hint("run"));
}

void check_map(const MapOptions& map) {
  if (map.jobs == 0U) throw usage("map", "--jobs 0 runs nothing", "Give the number of VMs at a time, or leave it out.");
  if (map.one && map.results.empty()) {
    throw usage("map", "--one needs --results", "It names the directory that the result goes into.");
  }
  if (map.one && (map.slurm || map.resume || map.json || map.jobs)) {
    throw usage("map", "--one excludes --slurm, --resume, --json and --jobs", "Drop them: it is one task.");
  }
  if (!map.sbatch_options.empty() && !map.slurm) {
    throw usage("map", "--sbatch-option is for --slurm", "Give both, or neither.");
  }
}

Verb verb_of(const CLI::App& tree, const std::string& path, Parsed& parsed) {
  if (path == "run") return std::move(parsed.run);
  if (path == "map") return std::move(parsed.map);
  if (path == "exec") return std::move(parsed.exec);
  if (path == "shell") return std::move(parsed.shell);
  if (path == "attach") return std::move(parsed.attach);
  if (path == "ls") return std::move(parsed.list);
  if (path == "inspect") return std::move(parsed.inspect);
  if (path == "logs") return std::move(parsed.logs);
  if (path == "stop") return std::move(parsed.stop);
  if (path == "destroy") return std::move(parsed.destroy);
  if (path == "gc") return std::move(parsed.gc);
  if (path == "net show") return std::move(parsed.net_show);
  if (path.starts_with("pool ")) return std::move(parsed.pool);
  if (path == "doctor") return std::move(parsed.doctor);
  if (path == "profile list") return std::move(parsed.profile_list);
  if (path == "profile show") return std::move(parsed.profile_show);
  if (path == "profile check") return std::move(parsed.profile_check);
  if (path == "definition") return std::move(parsed.definition);
  if (path == "build") return std::move(parsed.build);
  if (path == "init") return std::move(parsed.init);
  const std::string completion = "completion ";
  if (path.rfind(completion, 0) == 0) return PrintText{completion_script(tree, path.substr(completion.size()))};
  return PrintText{tree.help()};  // no verb, or `profile` and `completion` alone
}

/// What goes into plans and file names is text; only exec's command is handed on as it is.
void check_encoding(const std::vector<std::string>& arguments, const std::string& path) {
  for (const std::string& word : arguments) {
    if (is_utf8(word)) continue;
    throw usage(path, "the argument " + quote_value(word) + " is not UTF-8 text",
                path == "run" ? "agentvm exec passes any bytes on; rename a directory that has them in its name." : "");
  }
}

/// CLI11's own words: "--deadline: could not convert..." in one line.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

}  // namespace

Invocation parse(const std::vector<std::string>& arguments) {
  Parsed parsed;
  const auto tree = make_tree(parsed);
  // What follows "--" is the guest's business: CLI11 never sees it.
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  std::vector<std::string> ours(arguments.begin(), dashes);
  translate(ours);
  std::reverse(ours.begin(), ours.end());  // CLI11 takes them from the back
  std::vector<std::string> rest;
  if (dashes != arguments.end()) rest.assign(dashes + 1, arguments.end());

  std::string path;
  try {
    tree->parse(ours);
  } catch (const CLI::CallForHelp&) {
    check_words_before(*tree);
    return {parsed.global, PrintText{tree->help()}};
  } catch (const CLI::CallForVersion& version) {
    return {parsed.global, PrintText{std::string(version.what()) + "\n"}};
  } catch (const CLI::ParseError& error) {
    check_words_before(*tree);
    const CLI::App& verb = chosen(*tree, path);
    if (path != "exec") check_extras(verb, path);
    throw usage(path, one_line(error.what()), help_hint(path));
  }
  check_words_before(*tree);
  const CLI::App& verb = chosen(*tree, path);
  if (path != "exec") {
    check_extras(verb, path);
    check_encoding(arguments, path);
  }
  if (path == "run") {
    parsed.run.arguments = std::move(rest);
    check_run(parsed.run);
  } else if (path == "map" && dashes == arguments.end()) {
    check_map(parsed.map);
  } else if (path == "exec") {
    parsed.exec.command = exec_command(verb, dashes != arguments.end(), std::move(rest));
    if (parsed.exec.command.empty()) {
      throw usage(path, "there is no command", "It comes after the name: agentvm exec NAME -- CMD...");
    }
  } else if (dashes != arguments.end()) {
    throw usage(path, "takes nothing after --", help_hint(path));
  }
  return {parsed.global, verb_of(*tree, path, parsed)};
}

}  // namespace agentvm::cli
