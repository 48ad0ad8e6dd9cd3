// doctor.cpp - agentvm doctor: shows the checks.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "launcher/host/programs.hpp"
#include "launcher/run/workspace_check.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/doctor_checks.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

std::string checks_text(const std::vector<Check>& checks) {
  std::size_t width = 0;
  for (const Check& check : checks) width = std::max(width, check.what.size());
  std::string text;
  for (const Check& check : checks) {
    const char* mark = check.good ? "ok" : check.required ? "MISSING" : "no";
    text += fmt::format("{:<8}{:<{}}  {}\n", mark, check.what, width, printable(check.found));
    if (check.good) continue;
    text += fmt::format("{:<8}{:<{}}  needed for: {}\n", "", "", width, check.needed);
    if (!check.get.empty()) text += fmt::format("{:<8}{:<{}}  {}\n", "", "", width, check.get);
  }
  return text;
}

int doctor(const DoctorOptions& options, const Context& context) {
  host::keep_to_startable(context.roots, workspace_here(context.roots));
  const std::vector<Check> checks = run_checks(context.roots);
  const bool healthy =
      std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.good || !check.required; });
  if (options.json) {
    nlohmann::json array = nlohmann::json::array();
    for (const Check& check : checks) {
      array.push_back({{"what", check.what},
                       {"good", check.good},
                       {"required", check.required},
                       {"found", check.found},
                       {"needed_for", check.needed},
                       {"how_to_get_it", check.get}});
    }
    print_json(array);
  } else {
    print(checks_text(checks));
    print(healthy ? "\nEverything that is required is there.\n" : "\nSomething that is required is missing.\n");
  }
  return healthy ? 0 : 1;
}

}  // namespace agentvm::commands
