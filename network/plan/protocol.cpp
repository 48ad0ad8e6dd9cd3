// protocol.cpp - netd's lines as JSON, each field checked as it is read.
#include "network/plan/protocol.hpp"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace agentvm::network {

using nlohmann::json;

namespace {

constexpr std::size_t longest_text = 1000;
constexpr std::size_t most_items = 70000;

json parse(std::string_view line, const char* what) {
  json document = json::parse(line, nullptr, false);
  if (!document.is_object()) throw Error(fmt::format("{} is not a JSON object on a line of its own", what));
  return document;
}

const json& at(const json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (!object.is_object() || found == object.end()) throw Error(fmt::format("\"{}\" is missing", name));
  return *found;
}

std::string text(const json& object, const char* name) {
  const json& value = at(object, name);
  if (!value.is_string() || value.get_ref<const std::string&>().size() > longest_text) {
    throw Error(fmt::format("\"{}\" must be a string of at most {} bytes", name, longest_text));
  }
  return value.get<std::string>();
}

std::uint32_t number(const json& object, const char* name, std::uint64_t most) {
  const json& value = at(object, name);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
    throw Error(fmt::format("\"{}\" must be a whole number from 0 to {}", name, most));
  }
  return value.get<std::uint32_t>();
}

const json& list(const json& object, const char* name) {
  const json& value = at(object, name);
  if (!value.is_array() || value.size() > most_items) throw Error(fmt::format("\"{}\" must be a list", name));
  return value;
}

std::vector<std::string> texts(const json& object, const char* name) {
  std::vector<std::string> out;
  for (const json& item : list(object, name)) {
    if (!item.is_string()) throw Error(fmt::format("\"{}\" must be a list of strings", name));
    out.push_back(item.get<std::string>());
  }
  return out;
}

template <typename Value>
Value parsed(const json& object, const char* name, std::optional<Value> (*read)(std::string_view)) {
  const auto value = read(text(object, name));
  if (!value) throw Error(fmt::format("\"{}\" is not written as it must be", name));
  return *value;
}

json to_json(const Lease& lease) {
  return {{"name", lease.vm}, {"tap", lease.tap}, {"mac", format(lease.mac)}, {"address", format(lease.address)}};
}

Lease lease_from_json(const json& object) {
  Lease lease{text(object, "name"), text(object, "tap"), parsed(object, "mac", parse_mac),
              parsed(object, "address", parse_ipv4)};
  if (!is_vm_name(lease.vm)) throw Error("\"name\" cannot name a VM");
  if (lease.tap.empty() || lease.tap.size() > longest_link_name || lease.tap.find('/') != std::string::npos) {
    throw Error("\"tap\" cannot name an interface");
  }
  return lease;
}

std::string line_of(const char* key, json value) {
  return json{{key, std::move(value)}}.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

void throw_refusal(const json& document) {
  if (!document.contains("error")) return;
  throw Error(text(document, "error"), document.contains("hint") ? text(document, "hint") : "", ExitCode::cannot_start);
}

}  // namespace

std::string to_line(const Request& request) {
  json document = {{"request", request.kind == Request::Kind::acquire ? "acquire" : "show"}};
  if (request.kind == Request::Kind::acquire) {
    document["name"] = request.name;
    document["multi_queue"] = request.multi_queue;
  }
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string to_line(const LeaseInfo& info) {
  json value = to_json(info.lease);
  value["bridge"] = info.bridge;
  value["prefix"] = info.prefix;
  value["gateway"] = format(info.gateway);
  value["resolver"] = format(info.resolver);
  value["notes"] = info.notes;
  return line_of("lease", std::move(value));
}

std::string to_line(const NetworkInfo& info) {
  json value = {{"bridge", nullptr}, {"notes", info.notes}, {"leases", json::array()}};
  if (info.network) {
    value["bridge"] = {{"name", info.network->bridge},
                       {"mac", format(info.network->bridge_mac)},
                       {"subnet", format(info.network->subnet)},
                       {"gateway", format(info.network->gateway)},
                       {"standing_links", info.network->standing_links}};
  }
  for (const NetworkInfo::Holder& holder : info.leases) {
    json lease = to_json(holder.lease);
    lease["uid"] = holder.uid;
    lease["pid"] = holder.pid;
    value["leases"].push_back(std::move(lease));
  }
  return line_of("network", std::move(value));
}

std::string to_line(const Refusal& refusal) {
  const json document = {{"error", refusal.error.substr(0, longest_text)},
                         {"hint", refusal.hint.substr(0, longest_text)}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Request request_from_line(std::string_view line) {
  const json document = parse(line, "the request");
  const std::string kind = text(document, "request");
  Request request;
  if (kind == "show") return request;
  if (kind != "acquire") throw Error("\"request\" must be \"acquire\" or \"show\"");
  request.kind = Request::Kind::acquire;
  request.name = text(document, "name");
  if (!is_vm_name(request.name)) throw Error("\"name\" cannot name a VM: a name is [a-z0-9][a-z0-9-]{0,40}");
  const json& multi_queue = at(document, "multi_queue");
  if (!multi_queue.is_boolean()) throw Error("\"multi_queue\" must be true or false");
  request.multi_queue = multi_queue.get<bool>();
  return request;
}

LeaseInfo lease_from_line(std::string_view line) {
  const json document = parse(line, "the answer");
  throw_refusal(document);
  const json& value = at(document, "lease");
  return {lease_from_json(value),
          text(value, "bridge"),
          number(value, "prefix", 32),
          parsed(value, "gateway", parse_ipv4),
          parsed(value, "resolver", parse_ipv4),
          texts(value, "notes")};
}

NetworkInfo network_from_line(std::string_view line) {
  const json document = parse(line, "the answer");
  throw_refusal(document);
  const json& value = at(document, "network");
  NetworkInfo info;
  info.notes = texts(value, "notes");
  if (const json& bridge = at(value, "bridge"); !bridge.is_null()) {
    info.network =
        Network{text(bridge, "name"), parsed(bridge, "mac", parse_mac), parsed(bridge, "subnet", parse_prefix),
                parsed(bridge, "gateway", parse_ipv4), texts(bridge, "standing_links")};
  }
  for (const json& item : list(value, "leases")) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    info.leases.push_back({lease_from_json(item), number(item, "uid", most), number(item, "pid", most)});
  }
  return info;
}

}  // namespace agentvm::network
