// vmm_words.cpp - reads what a VMM says within limits.
#include "launcher/hypervisor/vmm_words.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace agentvm::hypervisor {

namespace {

using nlohmann::json;

/// Looks a document over without building it: a megabyte of brackets would take a hundred of memory.
class DepthGauge final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ <= max_vmm_json_depth; }
  bool start_array(std::size_t) override { return ++depth_ <= max_vmm_json_depth; }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

 private:
  bool leave() {
    --depth_;
    return true;
  }

  std::size_t depth_ = 0;
};

}  // namespace

json parse_vmm_json(std::string_view text) {
  DepthGauge gauge;
  if (!json::sax_parse(text, &gauge)) return json::value_t::discarded;
  return json::parse(text, nullptr, false);
}

std::string vmm_line(std::string_view text, std::size_t limit) {
  return plain_line(text, limit);
}

}  // namespace agentvm::hypervisor
