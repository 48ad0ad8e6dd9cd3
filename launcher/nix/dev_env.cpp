// dev_env.cpp - the answer of `nix print-dev-env`, bounded and checked.
#include "launcher/nix/dev_env.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace agentvm::devshell {

namespace {

using Json = nlohmann::json;

constexpr int deepest_json = 8;

/// Of the build, not of the shell. After the line are those which a shell that starts anew has anyway.
constexpr std::array<std::string_view, 27> left_behind = {
    "BASHOPTS", "HOME", "NIX_BUILD_TOP", "NIX_ENFORCE_PURITY", "NIX_LOG_FD", "NIX_REMOTE", "PPID", "SHELL", "SHELLOPTS",
    "SSL_CERT_FILE", "TEMP", "TEMPDIR", "TERM", "TMP", "TMPDIR", "TZ", "UID",
    // ---
    "LOGNAME", "OLDPWD", "PATH", "PWD", "SHLVL", "USER", "_", "shellHook", "EUID", "IFS"};

Error wrong(const std::string& what) {
  return Error("`nix print-dev-env` did not return a devShell: " + what,
               "`nix print-dev-env --json` in the workspace shows it.");
}

Json parse_json(std::string_view answer) {
  if (answer.size() > max_answer) throw wrong(fmt::format("it is longer than {} bytes", max_answer));
  bool too_deep = false;
  const Json::parser_callback_t bounded = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > deepest_json;
    return !too_deep;
  };
  Json json = Json::parse(answer, bounded, false);
  if (too_deep || !json.is_object()) throw wrong("it is not a JSON object");
  return json;
}

bool is_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), plain) && !(name.front() >= '0' && name.front() <= '9');
}

/// Relative parts would name other programs in every directory.
std::string absolute_parts(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(':'), path.size());
    if (path.front() == '/') out += (out.empty() ? "" : ":") + std::string(path.substr(0, end));
    path.remove_prefix(std::min(path.size(), end + 1));
  }
  return out;
}

/// The text of a variable that is one; nullptr for an array, or no text.
const std::string* text_of(const Json& variable, bool exported_only) {
  if (!variable.is_object()) throw wrong("a variable is not an object");
  const auto type = variable.find("type");
  const auto value = variable.find("value");
  if (type == variable.end() || !type->is_string() || value == variable.end() || !value->is_string()) return nullptr;
  if (*type != "exported" && (exported_only || *type != "var")) return nullptr;
  const auto* text = value->get_ptr<const std::string*>();
  return text->find('\0') == std::string::npos ? text : nullptr;
}

}  // namespace

DevEnv parse_dev_env(std::string_view answer) {
  const Json json = parse_json(answer);
  const auto variables = json.find("variables");
  if (variables == json.end() || !variables->is_object()) throw wrong("it has no variables");
  DevEnv out;
  std::size_t size = 0;
  const auto take = [&size](const std::string& name, const std::string& value) {
    if (name.size() + 1 + value.size() > max_variable) {
      throw Error(fmt::format("the devShell's variable {} has {} bytes, and a program can be started with {} at most",
                              name, value.size(), max_variable - name.size() - 1),
                  "Put it into a file, and its path into the variable.");
    }
    size += name.size() + 2 + value.size();
    if (size > max_environment) {
      throw Error(
          fmt::format("the devShell's variables have more than {} bytes, more than a program can be started with",
                      max_environment));
    }
  };
  for (const auto& [name, variable] : variables->items()) {
    const bool special = name == "PATH" || name == "shellHook";
    const std::string* text = text_of(variable, !special);
    if (text == nullptr || !is_name(name)) continue;
    if (name == "PATH") {
      out.path = absolute_parts(*text);
      take(name, out.path);
    } else if (name == "shellHook") {
      if (text->find_first_not_of(" \t\r\n") != std::string::npos) out.hook = *text;
      take(name, out.hook);
    } else if (std::find(left_behind.begin(), left_behind.end(), name) == left_behind.end()) {
      take(name, *text);
      out.environment.emplace(name, *text);
    }
  }
  return out;
}

}  // namespace agentvm::devshell
