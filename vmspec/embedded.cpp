// embedded.cpp - the built-in profiles and templates by name.
#include "vmspec/embedded.hpp"

#include "base/error.hpp"
#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

const std::string& embedded_template(std::string_view name) {
  const auto& all = embedded_templates();
  const auto found = all.find(name);
  if (found == all.end()) throw Error("no template '" + std::string(name) + "' is compiled in");
  return found->second;
}

const std::map<std::string, SourceText, std::less<>>& builtin_profiles() {
  static const auto profiles = [] {
    constexpr std::string_view folder = "profiles/";
    constexpr std::string_view suffix = ".toml";
    std::map<std::string, SourceText, std::less<>> out;
    for (const auto& [name, text] : embedded_templates()) {
      if (!name.starts_with(folder)) continue;
      const std::string file = name.substr(folder.size());
      out[file.substr(0, file.size() - suffix.size())] = {"built-in " + file, text};
    }
    return out;
  }();
  return profiles;
}

}  // namespace agentvm::vmspec
