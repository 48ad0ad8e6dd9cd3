// link_transport_test.cpp - how the guest's streams come: in which order, and what a VMM or guest may do wrong.
#include "launcher/machine/link_transport.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"

using namespace agentvm;
using namespace agentvm::machine;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Place {
  std::string path = "/tmp/agentvm-transport-test-XXXXXX";
  asio::io_context io;
  Place() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { remove_tree(path); }
  std::string at(const std::string& name) const { return path + "/" + name; }

  /// Connects while `other_side` runs on a thread of its own.
  template <typename Function>
  LinkStreams connect(LinkTransport& transport, Function other_side) {
    auto other = std::async(std::launch::async, std::move(other_side));
    auto streams = asio::co_spawn(io, transport.connect(), asio::use_future);
    io.restart();
    io.run_for(30s);
    other.get();
    REQUIRE(streams.wait_for(0s) == std::future_status::ready);
    return streams.get();
  }
};

std::string read_some(int fd, std::size_t size) {
  std::string text(size, '\0');
  const ssize_t got = read(fd, text.data(), size);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

/// Takes one connection and its line, as cloud-hypervisor does.
UniqueFd accept_request(int listener, const std::string& expected) {
  pollfd item{listener, POLLIN, 0};
  poll(&item, 1, 10000);
  UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  CHECK(read_some(connection.get(), 64) == expected);
  return connection;
}

}  // namespace

TEST_CASE("virtio-serial: the VMM connects to both sockets and nobody comes after it") {
  Place place;
  const auto transport = serial_transport(place.io.get_executor(), place.at("ctl"), place.at("svc"));
  CHECK_FALSE(transport->waits_for_guest());
  UniqueFd control, services;
  const LinkStreams streams = place.connect(*transport, [&] {
    control = connect_unix(place.at("ctl"));
    services = connect_unix(place.at("svc"));
  });
  write_all(control.get(), "c");
  write_all(services.get(), "s");
  CHECK(read_some(streams.control.get(), 8) == "c");
  CHECK(read_some(streams.services.get(), 8) == "s");
  CHECK_THROWS_AS(connect_unix(place.at("ctl")), Error);
}

TEST_CASE("vsock: the guest's service connection comes first and then its control port is asked for once") {
  Place place;
  const UniqueFd vmm = listen_unix(place.at("vsock"), 4);
  const auto transport = vsock_transport(place.io.get_executor(), place.at("vsock"));
  CHECK(transport->waits_for_guest());
  UniqueFd control, services;
  const LinkStreams streams = place.connect(*transport, [&] {
    services = connect_unix(place.at("vsock_4101"));
    control = accept_request(vmm.get(), "CONNECT 4100\n");
    // In pieces, and with the stream's first bytes right behind it.
    write_all(control.get(), "OK 10");
    std::this_thread::sleep_for(20ms);
    write_all(control.get(), "73741824\nfirst");
  });
  CHECK(read_some(streams.control.get(), 64) == "first");
  write_all(streams.services.get(), "x");
  CHECK(read_some(services.get(), 8) == "x");
  CHECK_THROWS_AS(connect_unix(place.at("vsock_4101")), Error);
}

TEST_CASE("vsock: a guest that does not listen or answers anything else is said") {
  for (const std::string answer : {"", "NO\n", "OK 1", "OK 11111111111111111111111111111111111111\n"}) {
    CAPTURE(answer);
    Place place;
    const UniqueFd vmm = listen_unix(place.at("vsock"), 4);
    const auto transport = vsock_transport(place.io.get_executor(), place.at("vsock"));
    UniqueFd services;
    CHECK_THROWS_WITH_AS(place.connect(*transport,
                                       [&] {
                                         services = connect_unix(place.at("vsock_4101"));
                                         const UniqueFd control = accept_request(vmm.get(), "CONNECT 4100\n");
                                         write_all(control.get(), answer);
                                       }),
                         "the guest does not listen on its control port 4100", Error);
  }
}
