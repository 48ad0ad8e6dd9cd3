// stop.cpp - agentvm stop: an orderly end.
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/wire/supervisor.hpp"
#include "launcher/client/client.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/run/ignored_files.hpp"
#include "launcher/run/text.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

namespace {

/// What a teardown takes beside the guest's own deadline.
constexpr std::chrono::seconds teardown_time{20};
/// From the supervisor's answer, which is its last, to its end.
constexpr std::chrono::seconds exit_time{5};

}  // namespace

int stop(const StopOptions& options, const Context& context) {
  const state::VmPaths paths = named_or_implied_vm(context.roots, options.name);
  if (is_kept(paths)) {
    print_error("agentvm: '" + paths.name + "' is already stopped; agentvm destroy " + paths.name +
                " removes its logs\n");
    return 0;
  }
  const std::chrono::milliseconds deadline = std::chrono::seconds(options.deadline_seconds);
  const nlohmann::json request = {{"deadline_ms", deadline.count()}, {"force", false}};
  const auto spec = read_spec(paths);
  const UniqueFd supervisor = supervisor_pidfd(paths);
  const std::string answer = ask_supervisor(paths, "POST", "/stop", request.dump(), deadline + teardown_time);
  const nlohmann::json document = nlohmann::json::parse(answer, nullptr, false);
  if (document.is_object()) {
    const supervisor::Report report = supervisor::report_from_json(document);
    ReportView view;
    if (spec) view = {.command = spec->agent.kind == "command", .ignored = ignored_files(spec->workspace, report)};
    print_error(folded(report_text(report, view), columns_of(STDERR_FILENO), 4));
  }
  // Until its process is gone, a kept VM does not look stopped, and `ls` still lists one that is not kept.
  wait_for_exit(supervisor, exit_time);
  print_error(is_kept(paths)
                  ? "agentvm: '" + paths.name + "' is stopped; its logs stay until agentvm destroy " + paths.name + "\n"
                  : "agentvm: '" + paths.name + "' is stopped and removed; a stopped VM cannot be started again\n");
  return 0;
}

}  // namespace agentvm::commands
