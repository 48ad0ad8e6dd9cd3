// result.cpp - results to lines and back.
#include "launcher/map/result.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json/bounded.hpp"
#include "base/text.hpp"

namespace agentvm::batch {

using nlohmann::json;

namespace {

/// What may be as long as a run was: the calls it made. Files and commands are bounded where they are collected.
constexpr const char* long_lists[] = {"mcp_calls", "model_requests", "commands", "files"};

std::string line_of(const TaskResult& result, const json& report) {
  nlohmann::ordered_json line;
  line["id"] = result.id;
  line["exit_code"] = result.exit_code;
  line["ended"] = result.ended;
  line["name"] = result.name;
  line["host"] = result.host;
  if (!result.job.empty()) line["job"] = result.job;
  line["attempts"] = result.attempts;
  line["started"] = result.started;
  line["total_ms"] = result.total_ms;
  if (!result.error.empty()) line["error"] = result.error;
  line["task"] = result.digest;
  line["report"] = report;
  return printable_json(line.dump(-1, ' ', false, json::error_handler_t::replace)) + "\n";
}

/// A whole number that fits; a conversion of any other number would not be defined.
template <typename Number>
Number whole(const json& object, const char* key) {
  const json& value = object.at(key);
  if (!value.is_number_integer()) throw Error(std::string("the result is not taken: ") + key + " is no whole number");
  return value.get<Number>();
}

}  // namespace

std::string to_line(const TaskResult& result) {
  json report = json::parse(result.report, nullptr, false);
  if (report.is_discarded()) report = nullptr;
  std::string line = line_of(result, report);
  for (const char* list : long_lists) {
    if (line.size() <= max_result_bytes) return line;
    if (!report.is_object()) break;
    report.erase(list);
    report["cut"] = true;
    line = line_of(result, report);
  }
  return line.size() <= max_result_bytes ? line : line_of(result, nullptr);
}

TaskResult result_from_line(std::string_view line) {
  const json object = parse_bounded_json(line, {.bytes = max_result_bytes, .keys = 1'000'000}, "the result");
  try {
    TaskResult result;
    result.id = object.at("id");
    result.digest = object.at("task");
    result.exit_code = whole<int>(object, "exit_code");
    result.ended = object.at("ended");
    result.name = object.at("name");
    result.host = object.at("host");
    result.job = object.value("job", "");
    result.attempts = whole<unsigned>(object, "attempts");
    result.started = object.at("started");
    result.total_ms = whole<std::int64_t>(object, "total_ms");
    result.error = object.value("error", "");
    result.report = object.at("report").dump(-1, ' ', false, json::error_handler_t::replace);
    return result;
  } catch (const json::exception& error) {
    throw Error(std::string("the result is not taken: ") + printable(error.what()));
  }
}

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string utc_text(std::int64_t unix_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03d}Z", fmt::gmtime(static_cast<std::time_t>(unix_ms / 1000)),
                     unix_ms % 1000);
}

}  // namespace agentvm::batch
