// mcp_reply.cpp - a SAX reader: a line may have megabytes, of which four values are wanted.
#include "launcher/gateway/mcp/mcp_reply.hpp"

#include <utility>
#include <vector>

#include "launcher/gateway/json_guard.hpp"

namespace agentvm::gateway {

namespace {

constexpr std::size_t max_text = 300;
constexpr std::size_t max_depth = 512;

class ReplyReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  McpReply reply;
  bool answers = false;     // has a result or an error
  bool has_method = false;  // so it is none
  bool has_text = false;

  bool null() override { return true; }
  bool boolean(bool value) override {
    if (at({"result", "isError"}) && value) reply.is_error = true;
    return true;
  }
  bool number_integer(number_integer_t value) override { return number(nlohmann::json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return number(nlohmann::json(value)); }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool string(string_t& value) override {
    if (at({"id"})) {
      if (value.size() <= max_id_bytes) reply.id = nlohmann::json(value).dump();
    } else if (at({"error", "message"}) || (!has_text && at({"result", "content", "", "text"}))) {
      reply.text = utf8_prefix(value, max_text);
      has_text = true;
    }
    return true;
  }
  bool start_object(std::size_t) override { return open(); }
  bool key(string_t& name) override {
    path_.back() = name;
    if (path_.size() == 1) {
      answers = answers || name == "result" || name == "error";
      reply.is_error = reply.is_error || name == "error";
      has_method = has_method || name == "method";
    }
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

 private:
  bool open() {
    path_.emplace_back();
    return path_.size() <= max_depth;
  }
  bool close() {
    path_.pop_back();
    return true;
  }
  bool number(const nlohmann::json& value) {
    if (at({"id"})) reply.id = value.dump();
    return true;
  }
  /// Whether the value being read stands there; "" is any place in an array.
  bool at(std::initializer_list<std::string_view> place) const {
    return path_.size() == place.size() && std::equal(place.begin(), place.end(), path_.begin());
  }

  std::vector<std::string> path_;  // the key of each open object, "" for arrays
};

}  // namespace

std::optional<McpReply> read_mcp_reply(std::string_view line) {
  ReplyReader reader;
  nlohmann::json::sax_parse(line, &reader);
  if (reader.reply.id.empty() || !reader.answers || reader.has_method) return std::nullopt;
  return std::move(reader.reply);
}

}  // namespace agentvm::gateway
