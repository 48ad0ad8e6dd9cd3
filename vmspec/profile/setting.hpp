// setting.hpp - TOML text as a tree of values with their places, free of the parser that made it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vmspec/profile/problem.hpp"

namespace agentvm::vmspec {

/// A line and a column, from 1.
struct Position {
  unsigned line = 0;
  unsigned column = 0;
};

/// One value of a TOML document.
struct Setting {
  enum class Kind { table, array, string, integer, boolean, other };
  struct Entry;

  Kind kind = Kind::table;
  Position at = {};
  std::string text = {};  ///< of a string; of `other`, what it is ("a date")
  std::int64_t integer = 0;
  bool boolean = false;
  std::vector<Setting> items = {};  ///< of an array
  std::vector<Entry> entries;       ///< of a table, in the order of the text

  /// The entry of that name, or nullptr.
  const Entry* find(std::string_view name) const;

  static Setting of_string(std::string value);
  static Setting of_strings(const std::vector<std::string>& values);
};

struct Setting::Entry {
  std::string name;
  Position at = {};  ///< of the key
  Setting value;
};

/// What a value is, for messages: "the string 'x'", "the number 7", "a table".
std::string describe(const Setting& setting);

/// A TOML 1.0 document; nullopt when it is none (or too long, or nested too deeply), with the reason in `problems`.
std::optional<Setting> parse_toml(std::string_view text, const std::string& file, std::vector<Problem>& problems);

}  // namespace agentvm::vmspec
