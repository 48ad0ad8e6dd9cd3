// config.cpp - pools.toml, by the reader that profiles have.
#include "launcher/pool/config.hpp"

#include <algorithm>

#include "vmspec/profile/layer_reader.hpp"
#include "vmspec/profile/rules.hpp"

namespace agentvm::pool {

using vmspec::LayerReader;
using vmspec::Setting;

namespace {

constexpr std::int64_t most_age = std::int64_t{30} * 24 * 3600 * 1000;
/// No VMM starts with less.
constexpr std::uint64_t least_memory = std::uint64_t{64} << 20;
constexpr std::uint64_t most_memory = std::uint64_t{1} << 50;

std::string profile_name(const std::string& value) {
  return value.empty() || value.size() > 4000 ? "must be the name or the path of a profile" : "";
}

PoolConfig read_pool(LayerReader& reader, const Setting::Entry& entry, const std::string& key) {
  PoolConfig pool{.name = entry.name, .profile = entry.name};
  for (const Setting::Entry& item : entry.value.entries) {
    reader.enter(key + "." + item.name);
    if (item.name == "profile") {
      reader.text(item.value, pool.profile, profile_name);
    } else if (item.name == "size") {
      reader.number(item.value, pool.size, 0, 1000);
    } else if (item.name == "max_age") {
      std::int64_t age = 0;
      reader.duration(item.value, age, most_age);
      pool.max_age = std::chrono::milliseconds(age);
    } else if (item.name == "memory_max") {
      reader.size(item.value, pool.limits.memory_max, least_memory, most_memory);
    } else if (item.name == "cpu_weight") {
      reader.number(item.value, pool.limits.cpu_weight, 1, 10'000);
    } else {
      reader.unknown(item.at, key, item.name, {"profile", "size", "max_age", "memory_max", "cpu_weight"});
    }
  }
  return pool;
}

}  // namespace

Config parse_config(std::string_view text, const std::string& file, std::vector<vmspec::Problem>& problems) {
  Config config;
  const std::optional<Setting> document = vmspec::parse_toml(text, file, problems);
  if (!document) return config;
  LayerReader reader(file, problems);
  for (const Setting::Entry& entry : document->entries) {
    reader.enter(entry.name);
    if (entry.name == "boots_at_once") {
      reader.number(entry.value, config.boots_at_once, 1, 64);
    } else if (entry.name == "vms_per_user") {
      reader.number(entry.value, config.vms_per_user, 0, 10'000);
    } else if (entry.name == "memory_per_user") {
      reader.size(entry.value, config.memory_per_user, 0, most_memory);
    } else if (entry.name == "pools" && entry.value.kind == Setting::Kind::table) {
      for (const Setting::Entry& pool : entry.value.entries) {
        const std::string key = "pools." + pool.name;
        if (const std::string wrong = vmspec::rules::pool_name(pool.name); pool.name.empty() || !wrong.empty()) {
          reader.problem(pool.at, key, "the name of a pool " + (wrong.empty() ? "must not be empty" : wrong));
        } else if (pool.value.kind != Setting::Kind::table) {
          reader.problem(pool.at, key, "must be a table, as [" + key + "]");
        } else {
          config.pools.push_back(read_pool(reader, pool, key));
        }
      }
    } else {
      reader.unknown(entry.at, "", entry.name, {"boots_at_once", "vms_per_user", "memory_per_user", "pools"});
    }
  }
  std::sort(config.pools.begin(), config.pools.end(),
            [](const PoolConfig& one, const PoolConfig& other) { return one.name < other.name; });
  return config;
}

}  // namespace agentvm::pool
