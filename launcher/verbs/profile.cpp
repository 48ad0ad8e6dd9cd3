// profile.cpp - agentvm profile list, show and check.
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/held_directory.hpp"
#include "base/text.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/host/profile_store.hpp"
#include "launcher/run/plan.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"
#include "vmspec/plan/plan.hpp"

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
vmspec::Profile load(const std::string& name, const std::vector<Override>& overrides, WorkspaceTrust trust) {
  return load_profile(name, name.empty() ? HeldDirectory::resolve(".") : HeldDirectory(), overrides, trust);
}

/// Throws an Error with what is wrong with the profile. What this machine lacks for it is no mistake of the profile's,
/// and is said all the same.
void check_one(const std::string& name, const ProfileCheckOptions& options, const Context& context) {
  const vmspec::Profile profile =
      load(name, {}, options.trust_workspace ? WorkspaceTrust::trusted : WorkspaceTrust::narrow_only);
  std::vector<vmspec::Problem> mistakes, lacks;
  for (vmspec::Problem& problem : refusals_here(profile, context)) {
    (problem.code == ExitCode::usage ? mistakes : lacks).push_back(std::move(problem));
  }
  if (!mistakes.empty()) throw vmspec::problems_error(mistakes);
  print((name.empty() ? "the profile of this directory" : name) + ": good\n");
  if (!lacks.empty()) {
    log_warning("on this machine a run with it would be refused:\n" +
                std::string(vmspec::problems_error(lacks).what()));
  }
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
  print(vmspec::render_profile(load(options.name, options.overrides, WorkspaceTrust::trusted), options.origins));
  return 0;
}

int profile_check(const ProfileCheckOptions& options, const Context& context) {
  std::vector<std::string> names = options.names;
  if (names.empty()) names.emplace_back();
  bool good = true;
  for (const std::string& name : names) {
    try {
      check_one(name, options, context);
    } catch (const Error& error) {
      log_error(error.what(), error.hint());
      good = false;
    }
  }
  return good ? 0 : static_cast<int>(ExitCode::usage);
}

}  // namespace agentvm::commands
