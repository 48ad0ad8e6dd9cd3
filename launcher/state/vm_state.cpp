// vm_state.cpp - state.json, and whether its processes are still the same.
#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/state/sweep_lock.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::state {

using nlohmann::json;

namespace {

constexpr std::size_t largest_state = std::size_t{1} << 20;

}  // namespace

std::uint64_t process_start_time(int pid) noexcept {
  try {
    const auto text = read_file_if_exists(fmt::format("/proc/{}/stat", pid), 4096);
    // Field 2 is the name in parentheses and may hold anything, parentheses too: count from the last one.
    const auto after_name = text ? text->rfind(')') : std::string::npos;
    if (after_name == std::string::npos) return 0;
    std::size_t position = after_name + 1;
    for (int field = 3; field < 22; ++field) {
      position = text->find(' ', position + 1);
      if (position == std::string::npos) return 0;
    }
    return std::strtoull(text->c_str() + position, nullptr, 10);
  } catch (const std::exception&) {
    return 0;  // the process went away while we read
  }
}

void write_state(const VmPaths& paths, const VmState& state) {
  json processes = json::array();
  for (const ProcessRecord& record : state.processes) {
    processes.push_back({{"role", record.role}, {"pid", record.pid}, {"start_time", record.start_time}});
  }
  const json document = {{"name", state.name},       {"uuid", state.uuid},           {"phase", state.phase},
                         {"started", state.started}, {"exit_code", state.exit_code}, {"processes", processes}};
  write_file_atomic(paths.state(), document.dump(2) + "\n");
}

std::optional<VmState> read_state(const VmPaths& paths) {
  try {
    const auto text = read_file_if_exists(paths.state(), largest_state);
    if (!text) return std::nullopt;
    const json document = json::parse(*text);
    VmState state;
    state.name = document.at("name").get<std::string>();
    state.uuid = document.at("uuid").get<std::string>();
    state.phase = document.at("phase").get<std::string>();
    state.started = document.value("started", "");
    state.exit_code = document.value("exit_code", -1);
    for (const json& record : document.at("processes")) {
      state.processes.push_back({record.at("role").get<std::string>(), record.at("pid").get<int>(),
                                 record.at("start_time").get<std::uint64_t>()});
    }
    return state;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::optional<std::string> uuid_of_spec(const VmPaths& paths) {
  try {
    const auto text = read_file_if_exists(paths.spec());
    if (!text) return std::nullopt;
    return json::parse(*text).at("uuid").get<std::string>();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

bool is_alive(const VmPaths& paths) {
  return FileLock::is_held(paths.lock()) && !held_by_sweeper(paths);
}

}  // namespace agentvm::state
