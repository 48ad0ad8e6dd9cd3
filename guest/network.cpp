// network.cpp - interface ioctls (netdevice(7)): the guest is static and has no need of netlink for one card.
#include "guest/network.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/directory.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "guest/setup.hpp"

namespace agentvm::guest {

namespace {

constexpr std::chrono::seconds card_limit{5};
/// Nobody tells when an interface has come but netlink; this is looked at for the moment a driver takes.
constexpr std::chrono::milliseconds card_pause{5};

sockaddr socket_address(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1) throw Error(text + " is not an IPv4 address");
  sockaddr result{};
  std::memcpy(&result, &address, sizeof result);
  return result;
}

std::string mask_of(unsigned prefix) {
  const std::uint32_t mask = prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
  char text[INET_ADDRSTRLEN];
  const in_addr address{htonl(mask)};
  return inet_ntop(AF_INET, &address, text, sizeof text);
}

ifreq request_for(const std::string& name) {
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), std::min(name.size(), sizeof request.ifr_name - 1));
  return request;
}

void set(int socket, unsigned long code, ifreq request, const std::string& what) {
  if (ioctl(socket, code, &request) < 0) throw system_error(errno, what);
}

void switch_on(int socket, const std::string& name) {
  ifreq request = request_for(name);
  if (ioctl(socket, SIOCGIFFLAGS, &request) < 0) throw system_error(errno, "looking at " + name);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  set(socket, SIOCSIFFLAGS, request, "switching " + name + " on");
}

}  // namespace

std::string find_card(const std::string& directory, const std::string& mac) {
  const Directory links(opendir(directory.c_str()));
  if (!links) return {};
  while (const dirent* entry = readdir(links.get())) {
    const std::string name = entry->d_name;
    if (name.front() == '.') continue;
    if (read_file_if_exists(directory + "/" + name + "/address").value_or("") == mac + "\n") return name;
  }
  return {};
}

void set_up_network(const NetworkSetup& network) {
  const auto deadline = std::chrono::steady_clock::now() + card_limit;
  std::string card;
  while ((card = find_card("/sys/class/net", network.mac)).empty()) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error("there is no network card " + network.mac + ": the kernel needs virtio_net");
    }
    std::this_thread::sleep_for(card_pause);
  }
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) throw system_error(errno, "making a socket");
  switch_on(socket.get(), "lo");
  ifreq request = request_for(card);
  request.ifr_addr = socket_address(network.address);
  set(socket.get(), SIOCSIFADDR, request, "giving " + card + " the address " + network.address);
  request.ifr_netmask = socket_address(mask_of(network.prefix));
  set(socket.get(), SIOCSIFNETMASK, request, "setting the prefix of " + card);
  switch_on(socket.get(), card);
  rtentry route{};
  route.rt_dst = socket_address("0.0.0.0");
  route.rt_genmask = socket_address("0.0.0.0");
  route.rt_gateway = socket_address(network.gateway);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  if (ioctl(socket.get(), SIOCADDRT, &route) < 0 && errno != EEXIST) {
    throw system_error(errno, "setting the route over " + network.gateway);
  }
  make_entry({.path = "/etc/resolv.conf", .content = "nameserver " + network.resolver + "\n"});
}

}  // namespace agentvm::guest
