// json_fields.hpp - reads the fields of a JSON object, with errors that name the field, its rule and what is there.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.hpp"
#include "vmspec/plan/names.hpp"

namespace agentvm::vmspec {

/// One object of a document. Borrows the JSON; every field asked for must be there unless `optional` is used.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& document, std::string path) : json_(document), path_(std::move(path)) {
    if (!json_.is_object()) throw Error(fmt::format("{} must be an object, but is {}", path_, json_.type_name()));
  }

  template <typename T>
  void read(const char* name, T& out) const {
    convert(at(name), path_ + "." + name, out);
  }

  const nlohmann::json& at(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end()) throw Error(fmt::format("{}.{} is missing", path_, name));
    return *found;
  }
  std::string path(const char* name) const { return path_ + "." + name; }
  bool is_null(const char* name) const { return at(name).is_null(); }

 private:
  [[noreturn]] static void refuse(const nlohmann::json& document, const std::string& path, std::string_view rule) {
    throw Error(fmt::format("{} must be {}, but is {}", path, rule, document.type_name()));
  }

  static void convert(const nlohmann::json& document, const std::string& path, std::string& out) {
    if (!document.is_string()) refuse(document, path, "a string");
    out = document.get<std::string>();
  }
  static void convert(const nlohmann::json& document, const std::string& path, bool& out) {
    if (!document.is_boolean()) refuse(document, path, "true or false");
    out = document.get<bool>();
  }
  template <typename T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) static void convert(const nlohmann::json& document,
                                                                                  const std::string& path, T& out) {
    if constexpr (std::is_unsigned_v<T>) {
      if (!document.is_number_unsigned() || document.get<std::uint64_t>() > std::numeric_limits<T>::max()) {
        refuse(document, path, fmt::format("a whole number from 0 to {}", std::numeric_limits<T>::max()));
      }
    } else {
      if (!document.is_number_integer()) refuse(document, path, "a whole number");
    }
    out = document.get<T>();
  }
  template <typename E>
  requires std::is_enum_v<E>
  static void convert(const nlohmann::json& document, const std::string& path, E& out) {
    std::string word;
    convert(document, path, word);
    const auto value = value_of<E>(word);
    if (!value) throw Error(fmt::format("{} must be {} (got {})", path, choices_of<E>(), quote_value(word)));
    out = *value;
  }
  template <typename T>
  static void convert(const nlohmann::json& document, const std::string& path, std::vector<T>& out) {
    if (!document.is_array()) refuse(document, path, "an array");
    out.clear();
    for (std::size_t i = 0; i < document.size(); ++i) {
      T item;
      convert(document[i], fmt::format("{}[{}]", path, i), item);
      out.push_back(std::move(item));
    }
  }
  template <typename T>
  static void convert(const nlohmann::json& document, const std::string& path, std::map<std::string, T>& out) {
    if (!document.is_object()) refuse(document, path, "an object");
    out.clear();
    for (const auto& [key, value] : document.items()) convert(value, path + "." + key, out[key]);
  }
  template <typename T>
  static void convert(const nlohmann::json& document, const std::string& path, std::optional<T>& out) {
    out.reset();
    if (!document.is_null()) convert(document, path, out.emplace());
  }
  /// Structs say how they are read with `void read_fields(const JsonFields&, T&)`.
  template <typename T>
  requires(std::is_class_v<T>) static void convert(const nlohmann::json& document, const std::string& path, T& out) {
    read_fields(JsonFields(document, path), out);
  }

  const nlohmann::json& json_;
  std::string path_;
};

}  // namespace agentvm::vmspec
