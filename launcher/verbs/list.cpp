// list.cpp - agentvm ls.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "launcher/client/vm_record.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

int list(const ListOptions& options, const Context& context) {
  const std::vector<std::string> names = state::list_vms(context.roots);
  if (options.quiet && !options.json) {
    for (const std::string& name : names) print(name + "\n");
    return 0;
  }
  std::vector<VmRecord> records;
  for (const std::string& name : names) records.push_back(vm_record(state::vm_paths(context.roots, name)));
  if (options.json) {
    nlohmann::json array = nlohmann::json::array();
    for (const VmRecord& record : records) array.push_back(to_json(record));
    print_json(array);
    return 0;
  }
  print(record_table(records, color_allowed(context.global.no_color, STDOUT_FILENO)));
  return 0;
}

}  // namespace agentvm::commands
