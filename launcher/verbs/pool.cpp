// pool.cpp - agentvm pool: a look at the pools, their sizes, and agentvm-poold in the foreground.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "launcher/claim/claim.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"
#include "vmspec/profile/units.hpp"

namespace agentvm::commands {

using nlohmann::json;

namespace {

std::string in_words(const json& status) {
  std::vector<std::vector<std::string>> rows = {{"POOL", "PROFILE", "SIZE", "IDLE", "BOOTING", "CLAIMED", "HITS",
                                                 "MISSES", "CLAIM p50/p95", "REFILL p50", "MEMORY"}};
  std::string notes;
  for (const json& pool : status.at("pools")) {
    const auto number = [&](const char* name) { return std::to_string(pool.at(name).get<std::uint64_t>()); };
    const std::uint64_t memory = pool.at("memory_per_idle_bytes").get<std::uint64_t>();
    rows.push_back({printable(pool.at("name").get<std::string>()), printable(pool.at("profile").get<std::string>()),
                    number("size"), number("idle"), number("booting"), number("claimed"), number("hits"),
                    number("misses"),
                    fmt::format("{:.1f}/{:.1f} ms", pool.at("claim_ms").at("p50").get<double>(),
                                pool.at("claim_ms").at("p95").get<double>()),
                    fmt::format("{:.1f} s", pool.at("refill_ms").at("p50").get<double>() / 1000),
                    memory == 0 ? "-" : vmspec::format_size(memory >> 20 << 20)});
    if (pool.at("draining").get<bool>()) notes += rows.back()[0] + " is drained: it gives no VM.\n";
    if (pool.at("failures").get<std::uint64_t>() > 0)
      notes += fmt::format("{} VMs of {} ended before they were claimed, the last one: {}\n",
                           pool.at("failures").get<std::uint64_t>(), rows.back()[0],
                           printable(pool.at("last_failure").get<std::string>()));
  }
  return table(rows) + notes;
}

void show(const json& status, bool as_json) {
  if (as_json) {
    print_json(status);
  } else {
    print(in_words(status));
  }
}

int serve(const PoolOptions& options) {
  const std::string program = host::own_program("agentvm-poold");
  std::vector<std::string> words = {program, "--config", options.config};
  if (!options.metrics.empty()) words.insert(words.end(), {"--metrics", options.metrics});
  if (options.cgroup) words.emplace_back("--cgroup");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  throw system_error(errno, "starting " + program);
}

}  // namespace

int pool(const PoolOptions& options, const Context& context) {
  using Act = PoolOptions::Act;
  if (options.act == Act::serve) return serve(options);
  const char* const name = options.act == Act::drain ? "drain" : options.act == Act::resize ? "resize" : "status";
  json body = json::object();
  if (!options.pool.empty()) body["pool"] = options.pool;
  if (options.act == Act::resize) body["size"] = options.size;
  show(agentvm::pool::ask_poold(agentvm::pool::pool_socket(context.roots), name, body), options.json);
  return 0;
}

}  // namespace agentvm::commands
