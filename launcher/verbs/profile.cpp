// profile.cpp - agentvm profile list, show and check.
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/held_directory.hpp"
#include "launcher/host/profile_store.hpp"
#include "launcher/run/plan.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

namespace {

/// The description of a profile, "" when its text does not parse: `profile check` says why.
std::string description_of(const host::ProfileStore& store, const std::string& name) {
  const auto source = store.find(name);
  if (!source) return {};
  std::vector<vmspec::Problem> problems;
  vmspec::Profile profile;
  vmspec::apply_profile(profile, *source, problems);
  return problems.empty() ? profile.description : "(has mistakes: agentvm profile check " + name + ")";
}

/// A named profile is taken as it is; without a name it is what `agentvm run` takes in this directory.
vmspec::Profile load(const std::string& name, const std::vector<Override>& overrides) {
  return load_profile(name, name.empty() ? HeldDirectory::resolve(".") : HeldDirectory(), overrides);
}

}  // namespace

int profile_list(const ProfileListOptions& options, const Context&) {
  const host::ProfileStore store = host::ProfileStore::of_user();
  std::vector<std::vector<std::string>> rows = {{"NAME", "PLACE", "DESCRIPTION"}};
  nlohmann::json array = nlohmann::json::array();
  for (const host::ProfileEntry& entry : store.list()) {
    if (options.quiet && !options.json) {
      print(entry.name + "\n");
      continue;
    }
    const std::string description = printable(description_of(store, entry.name));
    rows.push_back({entry.name, entry.place, description});
    array.push_back({{"name", entry.name}, {"place", entry.place}, {"description", description}});
  }
  if (options.json) {
    print_json(array);
  } else if (!options.quiet) {
    print(table(rows));
  }
  return 0;
}

int profile_show(const ProfileShowOptions& options, const Context&) {
  print(vmspec::render_profile(load(options.name, options.overrides), options.origins));
  return 0;
}

int profile_check(const ProfileCheckOptions& options, const Context&) {
  std::vector<std::string> names = options.names;
  if (names.empty()) names.emplace_back();
  bool good = true;
  for (const std::string& name : names) {
    const std::string shown = name.empty() ? "the profile of this directory" : name;
    try {
      const vmspec::Profile profile = load(name, {});
      print(shown + ": good\n");
    } catch (const Error& error) {
      log_error(error.what(), error.hint());
      good = false;
    }
  }
  return good ? 0 : static_cast<int>(ExitCode::usage);
}

}  // namespace agentvm::commands
