// bounded.cpp - looks JSON over before it is built.
#include "base/json/bounded.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "base/utf8.hpp"

namespace agentvm {

namespace {

/// Looks a document over without building it, so that a refusal costs no memory.
class Inspector final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Inspector(const JsonLimits& limits) : limits_(limits) {}

  std::string refusal;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (++key_count_ > limits_.keys) {
      refusal = "more than " + std::to_string(limits_.keys) + " keys";
      return false;
    }
    if (keys_.back().insert(name).second) return true;
    refusal = "duplicate key \"" + utf8_prefix(name, 40) + "\"";
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    refusal = "no valid JSON at byte " + std::to_string(position);
    return false;
  }

 private:
  bool open() {
    if (keys_.size() >= limits_.depth) {
      refusal = "more than " + std::to_string(limits_.depth) + " levels deep";
      return false;
    }
    keys_.emplace_back();
    return true;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  const JsonLimits& limits_;
  std::vector<std::set<std::string>> keys_;
  std::size_t key_count_ = 0;
};

}  // namespace

std::string json_refusal(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes) return "more than " + std::to_string(limits.bytes) + " bytes";
  Inspector inspector(limits);
  return nlohmann::json::sax_parse(text, &inspector) ? "" : inspector.refusal;
}

nlohmann::json parse_bounded_json(std::string_view text, const JsonLimits& limits, std::string_view what) {
  if (const std::string refusal = json_refusal(text, limits); !refusal.empty()) {
    throw Error(std::string(what) + " is not taken: " + refusal);
  }
  return nlohmann::json::parse(text);
}

}  // namespace agentvm
