// render.cpp - a profile as canonical TOML that parses back to it.
#include <fmt/format.h>

#include "vmspec/profile/keys.hpp"
#include "vmspec/profile/profile.hpp"
#include "vmspec/profile/toml_text.hpp"

namespace agentvm::vmspec {

namespace {

class Renderer {
 public:
  Renderer(const Profile& profile, bool origins) : profile_(profile), origins_(origins) {}

  std::string run() {
    for (const KeyRule& rule : key_rules()) {
      if (is_server_key(rule)) {
        servers();
        continue;
      }
      const std::size_t dot = rule.key.find('.');
      if (dot != std::string_view::npos) header(std::string(rule.key.substr(0, dot)));
      line(dot == std::string_view::npos ? rule.key : rule.key.substr(dot + 1), rule.show({profile_}),
           std::string(rule.key));
    }
    return out_;
  }

 private:
  void header(const std::string& table) {
    if (table == table_) return;
    table_ = table;
    out_ += fmt::format("{}[{}]\n", out_.empty() ? "" : "\n", table);
  }

  void line(std::string_view name, const std::string& value, const std::string& key) {
    if (value.empty()) return;
    out_ += fmt::format("{} = {}", name, value);
    if (origins_) {
      const Origin origin = profile_.origin(key);
      if (!origin.file.empty()) {
        // A file's name may hold anything a file system allows; a comment ends at the line's end.
        const std::string quoted = quote_value(origin.file);
        out_ += "  # " + quoted.substr(1, quoted.size() - 2);
        if (origin.line > 0) out_ += fmt::format(":{}", origin.line);
      }
    }
    out_ += '\n';
  }

  /// Every key of every server, once, where the first of them stands in the table.
  void servers() {
    if (servers_done_) return;
    servers_done_ = true;
    for (const auto& [name, server] : profile_.mcp) {
      header("mcp." + toml_key(name));
      for (const KeyRule& rule : key_rules()) {
        if (!is_server_key(rule)) continue;
        const std::string key = key_of_server(rule, name);
        line(std::string_view(key).substr(name.size() + 5), rule.show({profile_, &server}), key);
      }
    }
  }

  const Profile& profile_;
  bool origins_;
  bool servers_done_ = false;
  std::string table_;
  std::string out_;
};

}  // namespace

std::string render_profile(const Profile& profile, bool origins) {
  return Renderer(profile, origins).run();
}

}  // namespace agentvm::vmspec
