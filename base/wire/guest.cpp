// guest.cpp - the documents of the links as JSON, each field checked as it is read.
#include "base/wire/guest.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/utf8.hpp"
#include "base/wire/base64.hpp"
#include "base/wire/bytes.hpp"

namespace agentvm::guest {

using nlohmann::json;

namespace {

/// virtio 1.2, 5.11.4: the tag field of a file system device.
constexpr std::size_t max_tag_bytes = 36;
/// HOST_NAME_MAX of Linux.
constexpr std::size_t max_hostname_bytes = 64;
constexpr std::size_t max_path_bytes = 4095;
constexpr std::size_t max_entropy_bytes = 64;
/// Of a MAC address in text; an IPv4 address is shorter.
constexpr std::size_t max_address_bytes = 17;
/// chown(2) takes the last one as "leave it".
constexpr std::int64_t max_id = std::numeric_limits<std::uint32_t>::max() - 1LL;
constexpr std::int64_t max_time = std::numeric_limits<std::int64_t>::max();

/// One JSON object being read, and what it is called in a complaint.
class Reader {
 public:
  Reader(std::string name, const json& object) : name_(std::move(name)), object_(object) {
    if (!object.is_object()) throw Error(name_ + " must be a JSON object, not " + described(object));
  }

  [[noreturn]] void refuse(std::string_view field, std::string_view rule) const {
    const auto found = object_.find(field);
    throw Error(name_ + ": \"" + std::string(field) + "\" must be " + std::string(rule) +
                (found == object_.end() ? ", and is missing" : ", not " + described(*found)));
  }

  /// A field that must be there; nullptr never.
  const json& required(std::string_view field, std::string_view rule) const {
    const auto found = object_.find(field);
    if (found == object_.end()) refuse(field, rule);
    return *found;
  }

  std::string text(std::string_view field, std::string_view rule) const {
    const auto found = object_.find(field);
    if (found == object_.end()) return {};
    if (!found->is_string() || !is_plain(*found)) refuse(field, rule);
    return found->get<std::string>();
  }

  std::string path(std::string_view field) const {
    constexpr std::string_view rule = "an absolute path without \"..\", at most 4095 bytes";
    auto path = word_from_json(required(field, rule));
    if (!path || !is_safe_path(*path)) refuse(field, rule);
    return *std::move(path);
  }

  bool boolean(std::string_view field) const {
    const auto found = object_.find(field);
    if (found == object_.end()) return false;
    if (!found->is_boolean()) refuse(field, "true or false");
    return found->get<bool>();
  }

  std::int64_t integer(std::string_view field, std::int64_t least, std::int64_t most, std::int64_t otherwise) const {
    const auto found = object_.find(field);
    if (found == object_.end()) return otherwise;
    const bool fits = found->is_number_unsigned()
                          ? found->get<std::uint64_t>() <= static_cast<std::uint64_t>(std::max<std::int64_t>(most, 0))
                          : found->is_number_integer();
    if (!fits || found->get<std::int64_t>() < least || found->get<std::int64_t>() > most) {
      refuse(field, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return found->get<std::int64_t>();
  }

  std::vector<std::string> strings(std::string_view field) const {
    std::vector<std::string> result;
    for (const json& item : array(field, "an array of strings")) {
      if (!item.is_string() || !is_plain(item)) refuse(field, "an array of strings without NUL");
      result.push_back(item.get<std::string>());
    }
    return result;
  }

  /// Words of the system: any bytes but NUL.
  std::vector<std::string> words(std::string_view field) const {
    std::vector<std::string> result;
    for (const json& item : array(field, "an array of strings")) {
      auto word = word_from_json(item);
      if (!word) refuse(field, "an array of strings without NUL");
      result.push_back(*std::move(word));
    }
    return result;
  }

  const json& array(std::string_view field, std::string_view rule) const {
    static const json empty = json::array();
    const auto found = object_.find(field);
    if (found == object_.end()) return empty;
    if (!found->is_array()) refuse(field, rule);
    return *found;
  }

  static bool is_plain(const json& value) {
    return value.get_ref<const std::string&>().find('\0') == std::string::npos;
  }

  static bool is_safe_path(const std::string& path) {
    if (path.empty() || path.front() != '/' || path.size() > max_path_bytes) return false;
    return (path + "/").find("/../") == std::string::npos;
  }

 private:
  /// Short: what came is the other side's and may be long.
  static std::string described(const json& value) {
    constexpr std::size_t longest = 60;
    if (value.is_object() || value.is_array()) return value.is_object() ? "an object" : "an array";
    std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > longest) text = text.substr(0, longest) + "...";
    return text;
  }

  std::string name_;
  const json& object_;
};

Mount mount_from_json(const json& value, std::size_t index) {
  const Reader reader("setup, mount " + std::to_string(index + 1), value);
  Mount mount{reader.text("tag", "1 to 36 bytes"), reader.path("path"), reader.boolean("read_only")};
  if (mount.tag.empty() || mount.tag.size() > max_tag_bytes) reader.refuse("tag", "1 to 36 bytes");
  return mount;
}

FileEntry file_from_json(const json& value, std::size_t index) {
  const Reader reader("setup, file " + std::to_string(index + 1), value);
  FileEntry file;
  file.path = reader.path("path");
  const auto content = base64_decode(reader.text("content", "base64"));
  if (!content) reader.refuse("content", "base64");
  file.content = *content;
  file.target = reader.text("target", "the text of a symlink");
  file.mode = static_cast<unsigned>(reader.integer("mode", 0, 07777, 0644));
  file.uid = static_cast<std::uint32_t>(reader.integer("uid", 0, max_id, 0));
  file.gid = static_cast<std::uint32_t>(reader.integer("gid", 0, max_id, 0));
  file.directory = reader.boolean("directory");
  if (file.directory && !file.target.empty()) reader.refuse("target", "left out for a directory");
  return file;
}

NetworkSetup network_from_json(const json& value) {
  const Reader reader("setup, network", value);
  const auto words = [&](const char* field, std::string_view alphabet, std::string_view rule) {
    std::string text = reader.text(field, rule);
    if (text.empty() || text.size() > max_address_bytes || text.find_first_not_of(alphabet) != std::string::npos) {
      reader.refuse(field, rule);
    }
    return text;
  };
  constexpr std::string_view address = "0123456789.";
  return {words("mac", "0123456789abcdef:", "a MAC address"), words("address", address, "an IPv4 address"),
          static_cast<unsigned>(reader.integer("prefix", 0, 32, 24)), words("gateway", address, "an IPv4 address"),
          words("resolver", address, "an IPv4 address")};
}

bool is_hostname(std::string_view name) {
  return name.size() <= max_hostname_bytes && std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

bool is_machine_id(std::string_view id) {
  return id.empty() || (id.size() == 32 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos);
}

}  // namespace

json to_json(const GuestSetup& value) {
  json mounts = json::array();
  for (const Mount& mount : value.mounts) {
    mounts.push_back({{"tag", mount.tag}, {"path", mount.path}, {"read_only", mount.read_only}});
  }
  json files = json::array();
  for (const FileEntry& file : value.files) {
    files.push_back({{"path", file.path},
                     {"content", base64_encode(file.content)},
                     {"target", file.target},
                     {"mode", file.mode},
                     {"uid", file.uid},
                     {"gid", file.gid},
                     {"directory", file.directory}});
  }
  json network;
  if (value.network) {
    network = {{"mac", value.network->mac},
               {"address", value.network->address},
               {"prefix", value.network->prefix},
               {"gateway", value.network->gateway},
               {"resolver", value.network->resolver}};
  }
  json document = {
      {"hostname", value.hostname},           {"machine_id", value.machine_id}, {"inode_limit", value.inode_limit},
      {"clock_unix_ms", value.clock_unix_ms}, {"mounts", std::move(mounts)},    {"files", std::move(files)},
      {"services", value.services},           {"model_port", value.model_port}, {"network", std::move(network)}};
  if (!value.entropy.empty()) document["entropy"] = base64_encode(value.entropy);
  return document;
}

GuestSetup guest_setup_from_json(const json& value) {
  const Reader reader("setup", value);
  GuestSetup setup;
  setup.hostname = reader.text("hostname", "a string");
  if (!is_hostname(setup.hostname)) reader.refuse("hostname", "letters, digits, '-' and '.', at most 64");
  setup.machine_id = reader.text("machine_id", "a string");
  if (!is_machine_id(setup.machine_id)) reader.refuse("machine_id", "32 lower-case hexadecimal digits");
  setup.clock_unix_ms = reader.integer("clock_unix_ms", 0, max_time, 0);
  const auto entropy = base64_decode(reader.text("entropy", "a string"));
  if (!entropy || entropy->size() > max_entropy_bytes) reader.refuse("entropy", "base64 of at most 64 bytes");
  setup.entropy = *entropy;
  setup.inode_limit = static_cast<std::uint64_t>(reader.integer("inode_limit", 0, max_time, 0));
  for (const json& item : reader.array("mounts", "an array of mounts")) {
    setup.mounts.push_back(mount_from_json(item, setup.mounts.size()));
  }
  for (const json& item : reader.array("files", "an array of files")) {
    setup.files.push_back(file_from_json(item, setup.files.size()));
  }
  setup.services = reader.strings("services");
  setup.model_port = static_cast<std::uint16_t>(reader.integer("model_port", 0, 65535, 0));
  const auto network = value.find("network");
  if (network != value.end() && !network->is_null()) setup.network = network_from_json(*network);
  return setup;
}

json to_json(const ProcessSpec& value) {
  json argv = json::array();
  for (const std::string& word : value.argv) argv.push_back(word_to_json(word));
  json env = json::object();
  json settings = json::array();
  for (const auto& [name, setting] : value.env) {
    if (is_utf8(name)) {
      env[name] = word_to_json(setting);
    } else {
      settings.push_back(word_to_json(name + "=" + setting));
    }
  }
  json document = {{"argv", std::move(argv)}, {"env", std::move(env)},    {"cwd", word_to_json(value.cwd)},
                   {"uid", value.uid},        {"gid", value.gid},         {"pty", value.pty},
                   {"rows", value.rows},      {"columns", value.columns}, {"stdin_null", value.stdin_null}};
  if (!settings.empty()) document["settings"] = std::move(settings);
  return document;
}

ProcessSpec process_spec_from_json(const json& value) {
  const Reader reader("process", value);
  ProcessSpec spec;
  spec.argv = reader.words("argv");
  if (spec.argv.empty() || spec.argv.front().empty()) reader.refuse("argv", "a program and its arguments");
  if (value.contains("env")) {
    constexpr std::string_view rule = "an object of strings whose names hold no '='";
    const json& env = reader.required("env", rule);
    if (!env.is_object()) reader.refuse("env", rule);
    for (const auto& [name, setting] : env.items()) {
      auto word = word_from_json(setting);
      const bool valid = !name.empty() && name.find('=') == std::string::npos && name.find('\0') == std::string::npos;
      if (!valid || !word) reader.refuse("env", rule);
      spec.env[name] = *std::move(word);
    }
  }
  for (const std::string& word : reader.words("settings")) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos) reader.refuse("settings", "an array of NAME=VALUE");
    spec.env[word.substr(0, equals)] = word.substr(equals + 1);
  }
  if (value.contains("cwd")) spec.cwd = reader.path("cwd");
  spec.uid = static_cast<std::uint32_t>(reader.integer("uid", 0, max_id, spec.uid));
  spec.gid = static_cast<std::uint32_t>(reader.integer("gid", 0, max_id, spec.gid));
  spec.pty = reader.boolean("pty");
  spec.rows = static_cast<unsigned>(reader.integer("rows", 1, 65535, spec.rows));
  spec.columns = static_cast<unsigned>(reader.integer("columns", 1, 65535, spec.columns));
  spec.stdin_null = reader.boolean("stdin_null");
  return spec;
}

json to_json(const ReadyReport& value) {
  return {{"init_started_ms", value.init_started_ms},
          {"links_open_ms", value.links_open_ms},
          {"ready_ms", value.ready_ms},
          {"kernel", value.kernel},
          {"resumed", value.resumed}};
}

ReadyReport ready_report_from_json(const json& value) {
  constexpr std::size_t longest_kernel = 256;
  const Reader reader("ready", value);
  ReadyReport report;
  report.init_started_ms = reader.integer("init_started_ms", 0, max_time, 0);
  report.links_open_ms = reader.integer("links_open_ms", 0, max_time, 0);
  report.ready_ms = reader.integer("ready_ms", 0, max_time, 0);
  report.kernel = reader.text("kernel", "a string");
  if (report.kernel.size() > longest_kernel) reader.refuse("kernel", "at most 256 bytes");
  report.resumed = reader.boolean("resumed");
  return report;
}

json to_json(const SetupReply& value) {
  return {{"took_ms", value.took_ms}, {"done_ms", value.done_ms}, {"reseeded", value.reseeded}};
}

SetupReply setup_reply_from_json(const json& value) {
  const Reader reader("setup reply", value);
  return {reader.integer("took_ms", 0, max_time, 0), reader.integer("done_ms", 0, max_time, 0),
          reader.boolean("reseeded")};
}

json to_json(const ProcessState& value) {
  const auto range = [](const StreamRange& bytes) { return json{{"from", bytes.from}, {"to", bytes.to}}; };
  return {{"ended", value.ended},
          {"exit_code", value.exit_code},
          {"term_signal", value.term_signal},
          {"stdin_taken", value.stdin_taken},
          {"stdout", range(value.out)},
          {"stderr", range(value.err)}};
}

ProcessState process_state_from_json(const json& value) {
  const Reader reader("process state", value);
  const auto range = [&](const char* field) {
    const Reader bytes(std::string("process state, ") + field, reader.required(field, "an object"));
    return StreamRange{static_cast<std::uint64_t>(bytes.integer("from", 0, max_time, 0)),
                       static_cast<std::uint64_t>(bytes.integer("to", 0, max_time, 0))};
  };
  ProcessState state;
  state.ended = reader.boolean("ended");
  state.exit_code = static_cast<int>(reader.integer("exit_code", 0, 255, 0));
  state.term_signal = static_cast<int>(reader.integer("term_signal", 0, 64, 0));
  state.stdin_taken = static_cast<std::uint64_t>(reader.integer("stdin_taken", 0, max_time, 0));
  state.out = range("stdout");
  state.err = range("stderr");
  return state;
}

}  // namespace agentvm::guest
