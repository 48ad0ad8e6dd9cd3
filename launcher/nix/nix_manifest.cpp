// nix_manifest.cpp - reads and checks the manifest of a built Nix guest.
#include "launcher/nix/nix_manifest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace agentvm::image {

namespace {

using Json = nlohmann::json;

constexpr int known_version = 1;
constexpr std::size_t max_text = 4096;
constexpr std::size_t max_depth = 8;

Error wrong(const std::string& field, const std::string& rule) {
  return Error("the manifest of the Nix guest is wrong: " + field + " " + rule,
               "A module of the profile may have changed agentvm.manifest; `agentvm definition` shows what is built.");
}

bool has_control(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// One object of the document, with the name that messages give it.
class Fields {
 public:
  Fields(const Json& json, std::string name) : json_(json), name_(std::move(name)) {
    if (!json_.is_object()) throw wrong(name_.empty() ? "it" : name_, "must be an object");
  }

  const Json& get(const char* field) const {
    const auto found = json_.find(field);
    if (found == json_.end()) throw wrong(full(field), "is missing");
    return *found;
  }
  Fields object(const char* field) const { return {get(field), full(field)}; }

  std::string text(const char* field) const { return checked_text(get(field), full(field)); }

  std::string path(const char* field) const {
    std::string value = text(field);
    const std::string framed = value + "/";
    if (value.front() != '/' || framed.find("/../") != std::string::npos || framed.find("/./") != std::string::npos) {
      throw wrong(full(field), "must be an absolute path without '.' and '..' parts");
    }
    return value;
  }

  std::string store_path(const char* field) const {
    constexpr std::string_view store = "/nix/store/";
    std::string value = path(field);
    if (!value.starts_with(store) || value.size() == store.size()) {
      throw wrong(full(field), "must be a path in /nix/store");
    }
    return value;
  }

  std::optional<std::string> optional_store_path(const char* field) const {
    return get(field).is_null() ? std::nullopt : std::optional(store_path(field));
  }

  bool flag(const char* field) const {
    if (!get(field).is_boolean()) throw wrong(full(field), "must be true or false");
    return get(field).get<bool>();
  }

  std::uint32_t id(const char* field) const {
    const Json& value = get(field);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() == 0 || value.get<std::uint64_t>() > 65533) {
      throw wrong(full(field), "must be a number from 1 to 65533");
    }
    return value.get<std::uint32_t>();
  }

  std::vector<std::string> words(const char* field) const {
    if (!get(field).is_array()) throw wrong(full(field), "must be a list of words");
    std::vector<std::string> out;
    std::size_t size = 0;
    for (const Json& item : get(field)) {
      out.push_back(checked_text(item, full(field)));
      if (out.back().find(' ') != std::string::npos) throw wrong(full(field), "must be words without spaces");
      size += out.back().size() + 1;
      if (size > max_kernel_params) {
        throw wrong(full(field), fmt::format("must have at most {} bytes together", max_kernel_params));
      }
    }
    return out;
  }

 private:
  std::string full(const char* field) const { return name_.empty() ? field : name_ + "." + field; }

  static std::string checked_text(const Json& value, const std::string& field) {
    if (!value.is_string()) throw wrong(field, "must be a string");
    std::string text = value.get<std::string>();
    if (text.empty() || text.size() > max_text || has_control(text)) {
      throw wrong(field, fmt::format("must be one line of 1 to {} bytes", max_text));
    }
    return text;
  }

  const Json& json_;
  std::string name_;
};

/// Refuses what is nested deeper than a manifest can be, before it is built.
Json parse_json(std::string_view text) {
  if (text.size() > max_manifest) throw wrong("it", fmt::format("must have at most {} bytes", max_manifest));
  bool too_deep = false;
  const Json::parser_callback_t bounded = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > static_cast<int>(max_depth);
    return !too_deep;
  };
  Json json = Json::parse(text, bounded, false);
  if (too_deep || json.is_discarded()) throw wrong("it", "must be JSON");
  return json;
}

}  // namespace

NixManifest parse_nix_manifest(std::string_view text) {
  const Json json = parse_json(text);
  const Fields fields(json, "");
  const Json& version = fields.get("version");
  if (!version.is_number_integer() || version != known_version) {
    throw Error("the Nix guest was built for another version of agentvm",
                "Build it again with `agentvm build --update`.");
  }
  NixManifest out;
  out.name = fields.text("name");
  out.system = fields.text("system");
  const Fields kernel = fields.object("kernel");
  out.kernel_elf = kernel.optional_store_path("elf");
  out.kernel_image = kernel.store_path("image");
  out.kernel_version = kernel.text("version");
  out.initrd = fields.store_path("initrd");
  out.kernel_params = fields.words("kernel_params");
  out.init = fields.store_path("init");
  const Fields store = fields.object("store");
  const std::string kind = store.text("kind");
  if (kind != "share" && kind != "disk") throw wrong("store.kind", "must be share or disk");
  if (kind == "disk") out.store_disk = store.store_path("disk");
  out.store_writable = store.flag("writable");
  const Fields user = fields.object("user");
  out.user = user.text("name");
  out.uid = user.id("uid");
  out.gid = user.id("gid");
  out.home = user.path("home");
  out.workspace = fields.path("workspace");
  const Fields tools = fields.object("tools");
  out.agent = tools.optional_store_path("agent");
  out.shell = tools.store_path("shell");
  out.path = fields.text("path");
  return out;
}

}  // namespace agentvm::image
