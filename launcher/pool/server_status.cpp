// server_status.cpp - agentvm-poold's figures, as JSON and as OpenMetrics text.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "launcher/pool/server.hpp"

namespace agentvm::pool {

using nlohmann::json;

namespace {

json quantiles_of(const Quantiles& values, double unit) {
  const auto scaled = [&](std::int64_t value) { return static_cast<double>(value) / unit; };
  return {{"count", values.count()}, {"p50", scaled(values.at(0.5))}, {"p95", scaled(values.at(0.95))}};
}

}  // namespace

json Server::status() const {
  json pools = json::array();
  for (const Pool& pool : pools_) {
    json vms = json::array();
    for (const auto& member : pool.members) {
      vms.push_back({{"name", member->name},
                     {"phase", member->state.phase},
                     {"machine", vmspec::to_json(member->state.shape)},
                     {"memory_bytes", member->state.memory_bytes},
                     {"born_unix_ms", member->state.born_unix_ms},
                     {"uid", member->state.phase == "claimed" ? json(member->state.caller) : json()}});
    }
    const std::size_t idle = pool.count("idle");
    pools.push_back({{"name", pool.config.name},
                     {"profile", pool.config.profile},
                     {"size", pool.config.size},
                     {"max_age_ms", pool.config.max_age.count()},
                     {"draining", pool.draining},
                     {"idle", idle},
                     {"booting", pool.count("booting")},
                     {"claimed", pool.count("claimed")},
                     {"hits", pool.hits},
                     {"misses", pool.misses},
                     {"failures", pool.failures},
                     {"last_failure", pool.last_failure},
                     {"claim_ms", quantiles_of(pool.claim_us, 1000)},
                     {"refill_ms", quantiles_of(pool.refill_ms, 1)},
                     {"memory_per_idle_bytes", idle == 0 ? 0 : pool.idle_memory() / idle},
                     {"vms", std::move(vms)}});
  }
  return {{"pools", std::move(pools)}};
}

std::string Server::metrics() const {
  // OpenMetrics 1.0: a family's lines are together, counters end in _total, the text with # EOF.
  std::string text;
  const auto family = [&](const char* name, const char* type, const char* help) {
    text += fmt::format("# TYPE {0} {1}\n# HELP {0} {2}\n", name, type, help);
  };
  family("agentvm_pool_vms", "gauge", "VMs of a pool by phase.");
  for (const Pool& pool : pools_) {
    for (const char* phase : {"idle", "booting", "claimed", "ending"})
      text +=
          fmt::format("agentvm_pool_vms{{pool=\"{}\",phase=\"{}\"}} {}\n", pool.config.name, phase, pool.count(phase));
  }
  family("agentvm_pool_size", "gauge", "Idle VMs that are wanted.");
  for (const Pool& pool : pools_)
    text += fmt::format("agentvm_pool_size{{pool=\"{}\"}} {}\n", pool.config.name, pool.config.size);
  family("agentvm_pool_idle_memory_bytes", "gauge", "Memory of the host that idle VMs have.");
  for (const Pool& pool : pools_)
    text += fmt::format("agentvm_pool_idle_memory_bytes{{pool=\"{}\"}} {}\n", pool.config.name, pool.idle_memory());
  const auto counter = [&](const char* name, const char* help, std::uint64_t Pool::*member) {
    family(name, "counter", help);
    for (const Pool& pool : pools_)
      text += fmt::format("{}_total{{pool=\"{}\"}} {}\n", name, pool.config.name, pool.*member);
  };
  counter("agentvm_pool_hits", "Claims that got a VM.", &Pool::hits);
  counter("agentvm_pool_misses", "Claims that got none.", &Pool::misses);
  counter("agentvm_pool_failures", "VMs that ended before anybody claimed them.", &Pool::failures);
  const auto summary = [&](const char* name, const char* help, const Quantiles Pool::*member, double unit) {
    family(name, "summary", help);
    for (const Pool& pool : pools_) {
      const Quantiles& values = pool.*member;
      for (const double part : {0.5, 0.95})
        text += fmt::format("{}{{pool=\"{}\",quantile=\"{}\"}} {}\n", name, pool.config.name, part,
                            static_cast<double>(values.at(part)) / unit);
      text += fmt::format("{0}_count{{pool=\"{1}\"}} {2}\n{0}_sum{{pool=\"{1}\"}} {3}\n", name, pool.config.name,
                          values.count(), static_cast<double>(values.sum()) / unit);
    }
  };
  summary("agentvm_pool_claim_seconds", "From a claim to its VM.", &Pool::claim_us, 1e6);
  summary("agentvm_pool_refill_seconds", "From a keeper's start to an idle VM.", &Pool::refill_ms, 1e3);
  return text + "# EOF\n";
}

}  // namespace agentvm::pool
