// firewall.cpp - one libnftables context, spoken to in JSON.
#include "network/apply/firewall.hpp"

#include <nftables/libnftables.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"
#include "network/plan/ruleset.hpp"

namespace agentvm::network {

using nlohmann::json;

void Firewall::Free::operator()(nft_ctx* context) const noexcept {
  nft_ctx_free(context);
}

Firewall::Firewall() : context_(nft_ctx_new(NFT_CTX_DEFAULT)) {
  if (!context_) throw Error("out of memory for nftables");
  nft_ctx_output_set_flags(context_.get(), NFT_CTX_OUTPUT_JSON);
  if (nft_ctx_buffer_output(context_.get()) != 0 || nft_ctx_buffer_error(context_.get()) != 0) {
    throw Error("out of memory for nftables");
  }
}

std::string Firewall::run(const std::string& commands) {
  const int result = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
  // Reading a buffer empties it.
  const std::string output = nft_ctx_get_output_buffer(context_.get());
  std::string complaint = nft_ctx_get_error_buffer(context_.get());
  if (result == 0) return output;
  complaint = complaint.substr(0, complaint.find('\n'));
  throw Error(
      "nftables: " + (complaint.empty() ? "the rules were refused" : complaint),
      "The kernel needs nf_tables with nft_ct, nft_connlimit, nft_masq, nft_fib_inet, nft_chain_nat and, of the bridge "
      "family, nft_meta_bridge.");
}

void Firewall::apply(const json& commands) {
  run(commands.dump());
}

bool Firewall::intact() {
  const json answer = json::parse(run(R"({"nftables":[{"list":{"tables":null}}]})"), nullptr, false);
  const json items = answer.value("nftables", json::array());
  return std::count_if(items.begin(), items.end(), [](const json& item) {
           return item.contains("table") && item["table"].value("name", "") == table_name;
         }) == table_count;
}

std::vector<std::string> Firewall::links_in(const char* set) {
  std::vector<std::string> links;
  const json command = {{"list", {{"set", {{"family", "inet"}, {"table", table_name}, {"name", set}}}}}};
  json answer;
  try {
    answer = json::parse(run(json{{"nftables", json::array({command})}}.dump()), nullptr, false);
  } catch (const Error&) {
    return links;  // no such set
  }
  for (const json& item : answer.value("nftables", json::array())) {
    if (!item.contains("set")) continue;
    for (const json& element : item["set"].value("elem", json::array())) {
      if (element.is_string()) links.push_back(element.get<std::string>());
    }
  }
  return links;
}

std::vector<PolicyDrop> Firewall::policy_drops(const std::string& bridge) {
  const json answer = json::parse(run(R"({"nftables":[{"list":{"ruleset":null}}]})"), nullptr, false);
  const json items = answer.value("nftables", json::array());
  std::vector<PolicyDrop> drops;
  for (const json& item : items) {
    if (!item.contains("chain")) continue;
    const json& chain = item["chain"];
    PolicyDrop drop{
        chain.value("hook", ""), chain.value("family", ""), chain.value("table", ""), chain.value("name", ""), {}};
    if ((drop.hook != "forward" && drop.hook != "input") || chain.value("policy", "") != "drop") continue;
    if (drop.family != "ip" && drop.family != "inet") continue;
    drop.open_chain = drop.chain;
    bool passes = false;
    std::set<std::string> other_hooks;
    for (const json& other : items) {
      const json none = json::object();
      const json& named = other.contains("chain") ? other["chain"] : other.contains("rule") ? other["rule"] : none;
      if (named.value("family", "") != drop.family || named.value("table", "") != drop.table) continue;
      if (other.contains("chain") && named.contains("hook") && named.value("hook", "") != drop.hook) {
        other_hooks.insert(named.value("name", ""));
      }
      if (drop.hook == "forward" && named.value("name", "") == "DOCKER-USER") drop.open_chain = "DOCKER-USER";
      // Any rule that names the bridge, but for those of another hook: somebody has thought of it. Chains come first.
      if (other.contains("rule") && other_hooks.count(named.value("chain", "")) == 0 &&
          named.dump().find("\"" + bridge + "\"") != std::string::npos) {
        passes = true;
      }
    }
    if (!passes) drops.push_back(std::move(drop));
  }
  return drops;
}

}  // namespace agentvm::network
