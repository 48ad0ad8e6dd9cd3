// nix_settings.cpp - a nix.conf, reduced to a list of harmless settings.
#include "launcher/sandbox/nix_settings.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::devshell {

namespace {

constexpr std::size_t largest_file = std::size_t{1} << 20;
constexpr unsigned most_nested = 4;

constexpr std::array<std::string_view, 22> harmless = {"allow-import-from-derivation",
                                                       "build-users-group",
                                                       "builders-use-substitutes",
                                                       "connect-timeout",
                                                       "cores",
                                                       "download-attempts",
                                                       "fallback",
                                                       "http2",
                                                       "max-jobs",
                                                       "max-silent-time",
                                                       "max-substitution-jobs",
                                                       "sandbox",
                                                       "sandbox-paths",
                                                       "stalled-download-timeout",
                                                       "substitute",
                                                       "substituters",
                                                       "system-features",
                                                       "tarball-ttl",
                                                       "timeout",
                                                       "trusted-public-keys",
                                                       "trusted-substituters",
                                                       "use-xdg-base-directories"};

bool is_harmless(std::string_view key) {
  if (key.starts_with("extra-")) key.remove_prefix(6);
  return std::find(harmless.begin(), harmless.end(), key) != harmless.end();
}

/// https://user:token@cache.example (RFC 3986, 3.2.1).
bool has_credentials(std::string_view word) {
  const std::size_t scheme = word.find("://");
  return scheme != std::string_view::npos && word.find('@', scheme) != std::string_view::npos;
}

void add_settings(const std::string& file, unsigned nested, std::string& out) {
  std::string text;
  try {
    text = read_file_if_exists(file, largest_file).value_or("");
  } catch (const Error&) {
    return;  // Nix says by itself what it lacks
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line = line.substr(0, line.find('#'));
    std::istringstream words(line);
    std::string key;
    std::string second;
    words >> key >> second;
    if (key == "include" || key == "!include") {
      const std::string path = second.starts_with('/') ? second : file.substr(0, file.rfind('/') + 1) + second;
      if (nested < most_nested) add_settings(path, nested + 1, out);
    } else if (second == "=" && is_harmless(key)) {
      out += key + " =";
      for (std::string word; words >> word;) {
        if (!has_credentials(word)) out += " " + word;
      }
      out += "\n";
    }
  }
}

}  // namespace

std::string shared_settings(const std::string& file) {
  std::string out;
  add_settings(file, 0, out);
  return out;
}

}  // namespace agentvm::devshell
