// net_show.cpp - agentvm net show: the guests' network as agentvm-netd has it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "launcher/host/network.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"
#include "network/plan/ruleset.hpp"

namespace agentvm::commands {

namespace {

std::string in_words(const network::NetworkInfo& info) {
  std::string text;
  if (!info.network) {
    text = "No VM has a network card, so there is no bridge.\n";
  } else {
    text = fmt::format("bridge {}, network {}, gateway and resolver {}\n\n", info.network->bridge,
                       format(info.network->subnet), format(info.network->gateway));
    std::vector<std::vector<std::string>> rows = {{"VM", "ADDRESS", "MAC", "TAP", "UID", "PID"}};
    for (const auto& holder : info.leases) {
      rows.push_back({holder.lease.vm, format(holder.lease.address), format(holder.lease.mac), holder.lease.tap,
                      std::to_string(holder.uid), std::to_string(holder.pid)});
    }
    text += table(rows) + "\n";
    for (const std::string& rule : describe_rules(*info.network)) text += "* " + rule + "\n";
  }
  for (const std::string& note : info.notes) text += "* " + printable(note) + "\n";
  return text;
}

}  // namespace

int net_show(const NetShowOptions& options, const Context& /*context*/) {
  const network::NetworkInfo info = network::network_info(host::netd_here());
  if (options.json) {
    print_json(nlohmann::json::parse(to_line(info))["network"]);
  } else {
    print(in_words(info));
  }
  return 0;
}

}  // namespace agentvm::commands
