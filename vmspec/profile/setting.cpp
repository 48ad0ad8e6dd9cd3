// setting.cpp - toml++ tables as a tree of our own; the only file that knows the parser.
#include "vmspec/profile/setting.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

namespace {

/// toml++ 3.3 limits nested values (256) but not dotted keys, and one table per dot ends in a recursion as deep. A line
/// may have its dots in each of those values; no profile has more than five.
constexpr unsigned max_dots_per_line = 32;
constexpr unsigned max_depth = 32;

/// The first line with more dots outside strings and comments than any profile has, or 0.
unsigned overly_dotted_line(std::string_view text) {
  unsigned line = 1, dots = 0;
  std::size_t i = 0;
  const auto at = [&](std::string_view what) { return text.substr(i).starts_with(what); };
  while (i < text.size()) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      dots = 0;
    } else if (c == '#') {
      while (i + 1 < text.size() && text[i + 1] != '\n') ++i;
    } else if (c == '"' || c == '\'') {
      const std::string_view triple = c == '"' ? "\"\"\"" : "'''";
      const bool multi_line = at(triple);
      i += multi_line ? 3 : 1;
      while (i < text.size() && (multi_line ? !at(triple) : text[i] != c && text[i] != '\n')) {
        if (text[i] == '\n') ++line;
        if (c == '"' && text[i] == '\\') ++i;
        ++i;
      }
      if (multi_line) {
        i += 2;
        // Up to two quotes may stand before the three that end it.
        for (int more = 0; more < 2 && i + 1 < text.size() && text[i + 1] == c; ++more) ++i;
      }
      if (i < text.size() && text[i] == '\n') continue;
    } else if (c == '.' && ++dots > max_dots_per_line) {
      return line;
    }
    ++i;
  }
  return 0;
}

Position position_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

Setting convert(const toml::node& node, unsigned depth);

Setting convert_table(const toml::table& table, unsigned depth) {
  Setting out;
  for (const auto& [key, value] : table) {
    out.entries.push_back({std::string(key.str()), position_of(key.source()), convert(value, depth + 1)});
  }
  // toml++ sorts by name; people read files from the top.
  std::stable_sort(out.entries.begin(), out.entries.end(), [](const Setting::Entry& a, const Setting::Entry& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  return out;
}

/// A value we have no key for keeps its name for the message and nothing else.
Setting other(std::string what) {
  Setting out;
  out.kind = Setting::Kind::other;
  out.text = std::move(what);
  return out;
}

Setting convert_value(const toml::node& node, unsigned depth) {
  if (depth > max_depth) return other("a value nested too deeply");
  switch (node.type()) {
    case toml::node_type::table:
      return convert_table(*node.as_table(), depth);
    case toml::node_type::array: {
      Setting out;
      out.kind = Setting::Kind::array;
      for (const toml::node& item : *node.as_array()) out.items.push_back(convert(item, depth + 1));
      return out;
    }
    case toml::node_type::string:
      return Setting::of_string(node.as_string()->get());
    case toml::node_type::integer: {
      Setting out;
      out.kind = Setting::Kind::integer;
      out.integer = node.as_integer()->get();
      return out;
    }
    case toml::node_type::boolean: {
      Setting out;
      out.kind = Setting::Kind::boolean;
      out.boolean = node.as_boolean()->get();
      return out;
    }
    case toml::node_type::floating_point:
      return other(fmt::format("the number {}", node.as_floating_point()->get()));
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
    case toml::node_type::none:
      break;
  }
  return other("a date or time");
}

Setting convert(const toml::node& node, unsigned depth) {
  Setting out = convert_value(node, depth);
  out.at = position_of(node.source());
  return out;
}

}  // namespace

const Setting::Entry* Setting::find(std::string_view name) const {
  for (const Entry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

Setting Setting::of_string(std::string value) {
  Setting out;
  out.kind = Kind::string;
  out.text = std::move(value);
  return out;
}

Setting Setting::of_strings(const std::vector<std::string>& values) {
  Setting out;
  out.kind = Kind::array;
  for (const std::string& value : values) out.items.push_back(of_string(value));
  return out;
}

std::string describe(const Setting& setting) {
  switch (setting.kind) {
    case Setting::Kind::table:
      return "a table";
    case Setting::Kind::array:
      return "a list";
    case Setting::Kind::string:
      return "the string " + quote_value(setting.text);
    case Setting::Kind::integer:
      return fmt::format("the number {}", setting.integer);
    case Setting::Kind::boolean:
      return setting.boolean ? "true" : "false";
    case Setting::Kind::other:
      break;
  }
  return setting.text;
}

std::optional<Setting> parse_toml(std::string_view text, const std::string& file, std::vector<Problem>& problems) {
  if (text.size() > max_profile_text) {
    problems.push_back(
        {.file = file,
         .message = fmt::format("a profile may have at most {} bytes (got {})", max_profile_text, text.size())});
    return std::nullopt;
  }
  if (const unsigned line = overly_dotted_line(text); line > 0) {
    problems.push_back(
        {.file = file,
         .line = line,
         .column = 1,
         .message = fmt::format("keys are nested too deeply (more than {} dots in a line)", max_dots_per_line)});
    return std::nullopt;
  }
  try {
    const toml::table table = toml::parse(text, std::string_view(file));
    return convert(table, 0);
  } catch (const toml::parse_error& error) {
    const Position at = position_of(error.source());
    problems.push_back({.file = file,
                        .line = at.line,
                        .column = at.column,
                        .message = fmt::format("not valid TOML: {}", error.description())});
    return std::nullopt;
  }
}

}  // namespace agentvm::vmspec
