// inspect.cpp - agentvm inspect: plan, record and live status of a VM.
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "launcher/client/client.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

using nlohmann::json;

namespace {

constexpr std::chrono::seconds answer_limit{3};

json file_json(const std::string& path) {
  const auto text = read_file_if_exists(path);
  if (!text) return nullptr;
  json document = json::parse(*text, nullptr, false);
  return document.is_discarded() ? json(nullptr) : document;
}

json live_status(const state::VmPaths& paths) {
  if (!state::is_alive(paths)) return nullptr;
  try {
    json status = json::parse(ask_supervisor(paths, "GET", "/status", {}, answer_limit), nullptr, false);
    return status.is_discarded() ? json(nullptr) : status;
  } catch (const Error& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace

int inspect(const InspectOptions& options, const Context& context) {
  const state::VmPaths paths = require_vm(context.roots, options.name);
  nlohmann::ordered_json document;
  document["name"] = paths.name;
  document["condition"] = vm_condition(paths, state::read_state(paths));
  document["state_dir"] = paths.state_dir;
  document["runtime_dir"] = paths.runtime_dir;
  document["status"] = live_status(paths);
  document["state"] = file_json(paths.state());
  document["spec"] = file_json(paths.spec());
  print(printable_json(document.dump(2, ' ', false, json::error_handler_t::replace)) + "\n");
  return 0;
}

}  // namespace agentvm::commands
