// described_json.hpp - structs that Boost.Describe knows as JSON, both ways: written and read by one list of members.
//
// BOOST_DESCRIBE_STRUCT belongs into the .cpp that includes this, in the struct's own namespace. Every member must be
// there when a struct is read, what nobody knows is passed over, and an Error names the path of the member that is
// wrong. Enumerations are their words (names.hpp). A string that is no UTF-8, which JSON cannot hold, is
// {"base64": "..."}.
#pragma once

#include <fmt/format.h>

#include <boost/describe/class.hpp>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.hpp"
#include "base/utf8.hpp"
#include "base/wire/base64.hpp"
#include "vmspec/plan/names.hpp"

namespace agentvm::vmspec {

/// Not to be made: a scope, so that the functions for members find one another.
class DescribedJson {
 public:
  template <typename T>
  static nlohmann::json write(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      return name_of(value);
    } else if constexpr (std::is_arithmetic_v<T>) {
      return value;
    } else {
      nlohmann::json out = nlohmann::json::object();
      boost::mp11::mp_for_each<Members<T>>([&](auto member) { out[member.name] = write(value.*member.pointer); });
      return out;
    }
  }
  static nlohmann::json write(const std::string& value) {
    if (is_utf8(value)) return value;
    return {{base64_key, guest::base64_encode(value)}};
  }
  template <typename T>
  static nlohmann::json write(const std::vector<T>& values) {
    nlohmann::json out = nlohmann::json::array();
    for (const T& value : values) out.push_back(write(value));
    return out;
  }
  template <typename T>
  static nlohmann::json write(const std::map<std::string, T>& values) {
    nlohmann::json out = nlohmann::json::object();
    for (const auto& [key, value] : values) out[key] = write(value);
    return out;
  }
  template <typename T>
  static nlohmann::json write(const std::optional<T>& value) {
    return value ? write(*value) : nlohmann::json();
  }

  /// `path` is what messages call the value.
  template <typename T>
  static void read(const nlohmann::json& json, const std::string& path, T& out) {
    if constexpr (std::is_enum_v<T>) {
      read_word(json, path, out);
    } else if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) refuse(json, path, "true or false");
      out = json.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
      read_number(json, path, out);
    } else {
      if (!json.is_object()) refuse(json, path, "an object");
      boost::mp11::mp_for_each<Members<T>>([&](auto member) {
        const auto found = json.find(member.name);
        if (found == json.end()) throw Error(fmt::format("{}.{} is missing", path, member.name));
        read(*found, fmt::format("{}.{}", path, member.name), out.*member.pointer);
      });
    }
  }
  static void read(const nlohmann::json& json, const std::string& path, std::string& out) {
    if (json.is_string()) {
      out = json.get<std::string>();
      return;
    }
    const auto found = json.is_object() && json.size() == 1 ? json.find(base64_key) : json.end();
    const auto bytes = json.is_object() && found != json.end() && found->is_string()
                           ? guest::base64_decode(found->get<std::string>())
                           : std::nullopt;
    if (!bytes) refuse(json, path, "a string");
    out = *bytes;
  }
  template <typename T>
  static void read(const nlohmann::json& json, const std::string& path, std::vector<T>& out) {
    if (!json.is_array()) refuse(json, path, "an array");
    out.assign(json.size(), T());
    for (std::size_t i = 0; i < json.size(); ++i) read(json[i], fmt::format("{}[{}]", path, i), out[i]);
  }
  template <typename T>
  static void read(const nlohmann::json& json, const std::string& path, std::map<std::string, T>& out) {
    if (!json.is_object()) refuse(json, path, "an object");
    out.clear();
    for (const auto& [key, value] : json.items()) read(value, path + "." + key, out[key]);
  }
  template <typename T>
  static void read(const nlohmann::json& json, const std::string& path, std::optional<T>& out) {
    out.reset();
    if (!json.is_null()) read(json, path, out.emplace());
  }

 private:
  template <typename T>
  using Members = boost::describe::describe_members<T, boost::describe::mod_public>;

  static constexpr char base64_key[] = "base64";

  [[noreturn]] static void refuse(const nlohmann::json& json, const std::string& path, std::string_view rule) {
    throw Error(fmt::format("{} must be {}, but is {}", path, rule, json.type_name()));
  }
  template <typename T>
  static void read_number(const nlohmann::json& json, const std::string& path, T& out) {
    constexpr auto most = std::numeric_limits<T>::max();
    const bool small = json.is_number_unsigned() && json.get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
    const bool negative = std::is_signed_v<T> && json.is_number_integer() && !json.is_number_unsigned() &&
                          json.get<std::int64_t>() >= static_cast<std::int64_t>(std::numeric_limits<T>::min());
    if (!small && !negative) {
      refuse(json, path, std::is_signed_v<T> ? "a whole number" : fmt::format("a whole number from 0 to {}", most));
    }
    out = json.get<T>();
  }
  template <typename E>
  static void read_word(const nlohmann::json& json, const std::string& path, E& out) {
    std::string word;
    read(json, path, word);
    const auto value = value_of<E>(word);
    if (!value) throw Error(fmt::format("{} must be {} (got {})", path, choices_of<E>(), quote_value(word)));
    out = *value;
  }
};

}  // namespace agentvm::vmspec
