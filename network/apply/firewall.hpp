// firewall.hpp - runs rules through libnftables; one call is one transaction.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

struct nft_ctx;

namespace agentvm::network {

class Firewall {
 public:
  Firewall();

  /// All of it or nothing. Throws Error with nftables' own words.
  void apply(const nlohmann::json& commands);
  /// The links in the set that says that forwarding was off before agentvm came; empty: there is no such set.
  std::vector<std::string> standing_links();
  /// Drop policies and rules of others that would stop forwarded traffic, a clause each, as "the chain FORWARD of table
  /// ip filter drops by default". Rules of the legacy iptables are not seen.
  std::vector<std::string> forward_drops();

 private:
  /// nftables' answer, or its complaint as an Error.
  std::string run(const std::string& commands);

  struct Free {
    void operator()(nft_ctx* context) const noexcept;
  };
  std::unique_ptr<nft_ctx, Free> context_;
};

}  // namespace agentvm::network
