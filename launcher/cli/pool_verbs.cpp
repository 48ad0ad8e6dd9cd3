// pool_verbs.cpp - `agentvm pool` and what follows it.
#include <CLI/App.hpp>
#include <string>

#include "launcher/cli/tree.hpp"

namespace agentvm::cli {

using Act = commands::PoolOptions::Act;

void add_pool(CLI::App& tree, commands::PoolOptions& options) {
  CLI::App* verb = tree.add_subcommand("pool", "Look at pools of booted VMs, and keep them");
  verb->require_subcommand(0, 1);
  const auto add = [&](const char* name, const char* text, Act act) {
    CLI::App* const part = verb->add_subcommand(name, text);
    part->callback([&options, act] { options.act = act; });
    if (act != Act::serve) part->add_flag("--json", options.json, "as JSON");
    return part;
  };
  CLI::App* const status = add("status", "The pools, their VMs, and how quickly they were had", Act::status);
  status->footer("Examples:\n  agentvm pool status\n  agentvm pool status --json | jq '.pools[].idle'");
  CLI::App* const drain = add("drain", "Let a pool's idle VMs go, and give none of it until it is resized", Act::drain);
  drain->add_option("pool", options.pool, "the pool")->type_name("POOL")->required();
  drain->footer("VMs that somebody has live on.\n\nExamples:\n  agentvm pool drain rust");
  CLI::App* const resize = add("resize", "Keep so many idle VMs, until agentvm-poold is started again", Act::resize);
  resize->add_option("pool", options.pool, "the pool")->type_name("POOL")->required();
  resize->add_option("size", options.size, "how many, up to 1000")
      ->type_name("N")
      ->required()
      ->check(CLI::Range(0, 1000));
  resize->footer("Examples:\n  agentvm pool resize rust 4");
  CLI::App* const serve = add("serve", "Keep the pools of a file, until ctrl-c", Act::serve);
  serve->add_option("--config", options.config, "which pools, as TOML")->type_name("FILE")->required();
  serve->add_option("--metrics", options.metrics, "keep a file of figures as OpenMetrics text")->type_name("FILE");
  serve->add_flag("--cgroup", options.cgroup, "make a cgroup for each VM below the own one, which is delegated to it");
  serve->footer(R"(FILE has a table for each pool:

  [pools.rust]
  profile = "rust"      # default: the pool's own name
  size = 2              # idle VMs to keep
  max_age = "6h"        # replace an idle VM that is older
  memory_max = "3GiB"   # of the host, for each VM; with --cgroup
  cpu_weight = 50       # likewise; the kernel's default is 100

and may limit what one user takes: boots_at_once, vms_per_user, memory_per_user.

Examples:
  agentvm pool serve --config ./pools.toml
  agentvm run --pool rust --profile rust ./my-app)");
  verb->footer("Examples:\n  agentvm pool status");
}

}  // namespace agentvm::cli
