// layer_reader.cpp - takes typed values out of settings and words what is wrong with them.
#include "vmspec/profile/layer_reader.hpp"

#include <fmt/format.h>

#include "vmspec/profile/keys.hpp"
#include "vmspec/profile/units.hpp"

namespace agentvm::vmspec {

namespace {

constexpr std::size_t max_list = 1000;

}  // namespace

void LayerReader::problem(Position at, const std::string& key, std::string message, std::string hint) {
  if (problems_.size() > max_problems) return;
  if (problems_.size() == max_problems) {
    problems_.push_back({.file = file_, .message = "there are more mistakes than are shown"});
    return;
  }
  problems_.push_back(problem_at(origin(at), key, std::move(message), std::move(hint)));
}

void LayerReader::unknown(Position at, const std::string& prefix, const std::string& name,
                          const std::vector<std::string>& siblings) {
  const std::string key = prefix.empty() ? name : prefix + "." + name;
  const std::vector<std::string_view> near(siblings.begin(), siblings.end());
  auto found = nearest(name, near);
  if (!found) {
    // Right name, wrong table: "mount" of [machine] is workspace.mount.
    for (const KeyRule& rule : key_rules()) {
      if (rule.key.size() > name.size() && rule.key.ends_with("." + name)) found = std::string(rule.key);
    }
  }
  problem(at, key, "unknown key", found ? "did you mean '" + *found + "'?" : "");
}

void LayerReader::text(const Setting& setting, std::string& out, Rule rule) {
  if (setting.kind != Setting::Kind::string) return refuse(setting, "must be a string");
  if (const std::string wrong = rule(setting.text); !wrong.empty()) return refuse(setting, wrong);
  out = setting.text;
}

void LayerReader::flag(const Setting& setting, bool& out) {
  if (setting.kind != Setting::Kind::boolean) return refuse(setting, "must be true or false");
  out = setting.boolean;
}

void LayerReader::number(const Setting& setting, unsigned& out, unsigned least, unsigned most) {
  if (setting.kind != Setting::Kind::integer || setting.integer < least || setting.integer > most) {
    return refuse(setting, fmt::format("must be a whole number from {} to {}", least, most));
  }
  out = static_cast<unsigned>(setting.integer);
}

void LayerReader::size(const Setting& setting, std::uint64_t& out, std::uint64_t least, std::uint64_t most) {
  const auto bytes = setting.kind == Setting::Kind::string ? parse_size(setting.text) : std::nullopt;
  if (!bytes || *bytes < least || *bytes > most) {
    return refuse(setting, fmt::format("must be a size with a unit such as \"4GiB\" or \"512M\", from {} to {}",
                                       format_size(least), format_size(most)));
  }
  out = *bytes;
}

void LayerReader::duration(const Setting& setting, std::int64_t& out, std::int64_t most) {
  const auto time = setting.kind == Setting::Kind::string ? parse_duration(setting.text) : std::nullopt;
  if (!time || *time > most) {
    return refuse(setting,
                  fmt::format("must be a time such as \"90s\", \"10m\" or \"2h\", at most {}, or \"0\" for none",
                              format_duration(most)));
  }
  out = *time;
}

void LayerReader::list(const Setting& setting, std::vector<std::string>& out, Rule rule, Hint hint) {
  const Setting* items = &setting;
  bool append = false;
  if (setting.kind == Setting::Kind::table) {
    for (const Setting::Entry& entry : setting.entries) {
      if (entry.name == "add") {
        items = &entry.value;
        append = true;
      } else {
        unknown(entry.at, key_, entry.name, {"add"});
      }
    }
    if (!append) {
      if (setting.entries.empty()) refuse(setting, "must be a list of strings");
      return;
    }
  }
  if (items->kind != Setting::Kind::array) return refuse(*items, "must be a list of strings");
  std::vector<std::string> values = append ? out : std::vector<std::string>();
  bool right = true;
  for (const Setting& item : items->items) {
    const std::string wrong =
        item.kind == Setting::Kind::string ? rule(item.text) : std::string("must be a list of strings");
    if (!wrong.empty()) {
      const bool string = item.kind == Setting::Kind::string;
      problem(item.at, key_, (string ? "each item " + wrong : wrong) + got(item),
              string && hint != nullptr ? hint(item.text) : "");
      right = false;
    } else {
      values.push_back(item.text);
    }
  }
  if (values.size() > max_list) return refuse(*items, fmt::format("must have at most {} items", max_list));
  if (right) out = std::move(values);
}

void LayerReader::refuse_choice(const Setting& setting, const std::string& choices,
                                const std::vector<std::string_view>& words) {
  std::optional<std::string> found;
  if (setting.kind == Setting::Kind::string) found = nearest(setting.text, words);
  problem(setting.at, key_, fmt::format("must be {}{}", choices, got(setting)),
          found ? "did you mean '" + *found + "'?" : "");
}

}  // namespace agentvm::vmspec
