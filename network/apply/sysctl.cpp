// sysctl.cpp - files below /proc/sys/net.
#include "network/apply/sysctl.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::network {

namespace {

const std::string conf = "/proc/sys/net/ipv4/conf/";
constexpr char forwarding_file[] = "/proc/sys/net/ipv4/ip_forward";

void write_setting(const std::string& path, const char* value, bool may_be_missing) {
  UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) {
    if (may_be_missing && errno == ENOENT) return;
    throw system_error(errno, "setting " + path);
  }
  write_all(file.get(), value, "setting " + path);
}

}  // namespace

bool forwarding() {
  return read_file(forwarding_file, 64).starts_with("1");
}

void set_forwarding(bool on) {
  write_setting(forwarding_file, on ? "1" : "0", false);
}

bool forwarding_of(const std::string& link) {
  const std::string path = conf + link + "/forwarding";
  return access(path.c_str(), F_OK) == 0 && read_file(path, 64).starts_with("1");
}

void set_forwarding_of(const std::string& link, bool on) {
  write_setting(conf + link + "/forwarding", on ? "1" : "0", true);
}

bool accept_redirects() {
  return read_file(conf + "all/accept_redirects", 64).starts_with("1");
}

void set_accept_redirects(bool on) {
  write_setting(conf + "all/accept_redirects", on ? "1" : "0", false);
}

void disable_ipv6(const std::string& link) {
  write_setting("/proc/sys/net/ipv6/conf/" + link + "/disable_ipv6", "1", true);
}

}  // namespace agentvm::network
