// version_cache.cpp - asks programs for their version.
#include "launcher/host/version_cache.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cctype>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

namespace agentvm::host {

using nlohmann::json;

namespace {

constexpr std::size_t largest_cache = std::size_t{1} << 20;
constexpr std::chrono::seconds deadline{5};

json read_cache(const std::string& path) {
  try {
    const auto text = read_file_if_exists(path, largest_cache);
    if (text) {
      json document = json::parse(*text);
      if (document.is_object()) return document;
    }
  } catch (const std::exception&) {
    // A broken cache is an empty one.
  }
  return json::object();
}

std::string ask(const std::string& program) {
  try {
    const Output output = run_captured({.program = program, .args = {"--version"}}, deadline, 4096);
    if (output.timed_out || output.status.shell_code() != 0) return {};
    return output.out.substr(0, output.out.find('\n'));
  } catch (const Error&) {
    return {};
  }
}

bool is_digit(char c) noexcept {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

std::string version_line(const std::string& program, const std::string& cache_dir) {
  struct stat info {};
  if (stat(program.c_str(), &info) < 0) return {};
  const std::string stamp = fmt::format("{} {}.{:09}", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  const std::string path = cache_dir + "/versions.json";
  json cache = read_cache(path);
  const auto known = cache.find(program);
  if (known != cache.end() && known->is_object() && known->value("file", "") == stamp) {
    return known->value("version", "");
  }
  const std::string line = ask(program);
  if (line.empty()) return {};
  cache[program] = {{"file", stamp}, {"version", line}};
  try {
    make_directories(cache_dir);
    write_file_atomic(path, cache.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
  } catch (const Error&) {
    // Without a cache it is asked again the next time; the answer is as good.
  }
  return line;
}

std::string version_number(const std::string& line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (!is_digit(line[i])) continue;
    std::size_t end = i;
    while (end < line.size() && (is_digit(line[end]) || line[end] == '.')) ++end;
    std::string number = line.substr(i, end - i);
    while (!number.empty() && number.back() == '.') number.pop_back();
    if (number.find('.') != std::string::npos) return number;
    i = end;
  }
  return {};
}

bool version_at_least(const std::string& have, const std::string& need) {
  if (have.empty()) return false;
  const char* left = have.c_str();
  const char* right = need.c_str();
  while (*right != '\0') {
    char* left_end = nullptr;
    char* right_end = nullptr;
    const auto a = std::strtoul(left, &left_end, 10);
    const auto b = std::strtoul(right, &right_end, 10);
    if (a != b) return a > b;
    if (right_end == right) return true;
    left = *left_end == '.' ? left_end + 1 : left_end;
    right = *right_end == '.' ? right_end + 1 : right_end;
  }
  return true;
}

}  // namespace agentvm::host
