// definition.cpp - agentvm definition: a profile as the files of a microvm.nix flake, printed or written.
#include <nlohmann/json.hpp>

#include "base/held_directory.hpp"
#include "launcher/run/definition_files.hpp"
#include "launcher/run/plan.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

int definition(const DefinitionOptions& options, const Context&) {
  const vmspec::Definition made = make_definition(
      load_checked_profile(options.profile, HeldDirectory::resolve("."), options.overrides, options.trust_workspace));
  if (!options.output.empty()) write_files(options.output, made.files, options.force);
  if (options.json) {
    nlohmann::json files = nlohmann::json::array();
    for (const vmspec::DefinitionFile& file : made.files) {
      nlohmann::json entry = {{"name", file.name}};
      if (options.output.empty()) {
        entry["content"] = file.content;
      } else {
        entry["path"] = options.output + "/" + file.name;
      }
      files.push_back(std::move(entry));
    }
    print_json({{"name", made.name}, {"files", std::move(files)}});
    return 0;
  }
  std::string text;
  for (const vmspec::DefinitionFile& file : made.files) {
    if (options.output.empty()) {
      text += (text.empty() ? "" : "\n") + ("==> " + file.name + " <==\n") + file.content;
    } else {
      text += options.output + "/" + file.name + "\n";
    }
  }
  print(text);
  return 0;
}

}  // namespace agentvm::commands
