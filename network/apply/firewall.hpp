// firewall.hpp - runs rules through libnftables; one call is one transaction.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

struct nft_ctx;

namespace agentvm::network {

/// A chain at the forward or input hook whose policy is to drop.
struct PolicyDrop {
  std::string hook;  ///< "forward" or "input"
  std::string family, table, chain;
  std::string open_chain;  ///< where a rule of the user's belongs: Docker's DOCKER-USER, or the chain itself
};

class Firewall {
 public:
  Firewall();

  /// All of it or nothing. Throws Error with nftables' own words.
  void apply(const nlohmann::json& commands);
  /// Whether every table of ours is there.
  bool intact();
  /// The links in one of our inet table's sets; empty: there is no such set.
  std::vector<std::string> links_in(const char* set);
  /// Chains of others that drop by default what is forwarded or comes in, and do not pass the bridge's. Rules of the
  /// legacy iptables are not seen.
  std::vector<PolicyDrop> policy_drops(const std::string& bridge);

 private:
  /// nftables' answer, or its complaint as an Error.
  std::string run(const std::string& commands);

  struct Free {
    void operator()(nft_ctx* context) const noexcept;
  };
  std::unique_ptr<nft_ctx, Free> context_;
};

}  // namespace agentvm::network
