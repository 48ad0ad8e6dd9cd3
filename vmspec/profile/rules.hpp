// rules.hpp - what a single value of a profile may look like.
//
// Each rule takes a string and returns what is wrong with it as the end of a sentence ("must be ..."), or "" when it is
// right. Rules know nothing of other keys (check.cpp has those).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agentvm::vmspec::rules {

std::string any_line(const std::string& value);      ///< no control characters, at most 4000 bytes
std::string non_empty(const std::string& value);     ///< any_line, and not empty
std::string argument(const std::string& value);      ///< one word of a command line: no NUL, at most 128 KiB
std::string connect(const std::string& value);       ///< embed, session, system or a qemu URI
std::string profile_name(const std::string& value);  ///< a name or a path with a slash
std::string package(const std::string& value);       ///< nixpkgs attribute path
std::string flake(const std::string& value);         ///< flake reference
std::string image(const std::string& value);         ///< "" or an absolute path
std::string tool(const std::string& value);          ///< command name without a slash
std::string exposed_path(const std::string& value);
std::string user(const std::string& value);
std::string mount(const std::string& value);
std::string hidden_glob(const std::string& value);
std::string domain(const std::string& value);
std::string reachable(const std::string& value);  ///< a host, "*.DOMAIN" or "*", with or without a port
std::string publish(const std::string& value);
std::string publish_hint(const std::string& value);  ///< what "8080:80" or "8080" probably means; "" when it is no port
std::string agent_package(const std::string& value);  ///< auto, host, nix:FLAKE#ATTRIBUTE or a path
std::string upstream(const std::string& value);
std::string variable(const std::string& value);     ///< name of an environment variable
std::string key_file(const std::string& value);     ///< absolute or ~/
std::string pool_name(const std::string& value);    ///< "" or [a-z0-9][a-z0-9-]{0,23}
std::string server_name(const std::string& value);  ///< of an MCP server

/// The parts of "ADDRESS:PORT:GUEST_PORT".
struct Published {
  std::string address;  ///< IPv4, or IPv6 without its brackets
  std::uint16_t port = 0;
  std::uint16_t guest_port = 0;
};
std::optional<Published> parse_publish(std::string_view text);

/// Whether a host of a URL is the machine itself: localhost, 127.0.0.0/8, [::1].
bool is_loopback(std::string_view host);
/// The host of an http or https URL, brackets kept, port removed; "" when it is none.
std::string url_host(std::string_view url);

}  // namespace agentvm::vmspec::rules
