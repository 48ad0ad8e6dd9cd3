// link_transport_test.cpp - how the guest's streams come: in which order, and what a VMM or guest may do wrong.
#include "launcher/machine/link_transport.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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
#include "base/wire/link_opening.hpp"

using namespace agentvm;
using namespace agentvm::machine;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Place {
  std::string path = "/tmp/agentvm-transport-test-XXXXXX";
  asio::io_context io;
  Place() {
    signal(SIGPIPE, SIG_IGN);
    REQUIRE(mkdtemp(path.data()) != nullptr);
  }
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
  const auto transport = serial_transport(place.at("ctl"), place.at("svc"));
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
  const auto transport = vsock_transport(place.at("vsock"));
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
    const auto transport = vsock_transport(place.at("vsock"));
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

TEST_CASE("virtio-serial: after a drop the same connections are used or those of the next VMM") {
  Place place;
  const auto transport = serial_transport(place.at("ctl"), place.at("svc"));
  UniqueFd control, services;
  const auto vmm = [&] {
    control = connect_unix(place.at("ctl"));
    services = connect_unix(place.at("svc"));
  };
  place.connect(*transport, vmm);
  transport->drop();
  const LinkStreams again = place.connect(*transport, [] {});
  write_all(control.get(), "again");
  CHECK(read_some(again.control.get(), 8) == "again");
  CHECK_THROWS_AS(connect_unix(place.at("ctl")), Error);
  transport->drop();
  // What the old VMM left behind does not make its connection look alive.
  write_all(control.get(), "left behind");
  control.reset();
  services.reset();
  const LinkStreams next = place.connect(*transport, vmm);
  write_all(control.get(), "next");
  CHECK(read_some(next.control.get(), 16) == "next");
}

TEST_CASE("vsock: after a drop the host asks first and a guest that connects unasked is refused") {
  Place place;
  const UniqueFd vmm = listen_unix(place.at("vsock"), 4);
  const auto transport = vsock_transport(place.at("vsock"));
  UniqueFd control, services;
  place.connect(*transport, [&] {
    services = connect_unix(place.at("vsock_4101"));
    control = accept_request(vmm.get(), "CONNECT 4100\n");
    write_all(control.get(), "OK 1\n");
  });
  transport->drop();
  CHECK_THROWS_AS(connect_unix(place.at("vsock_4101")), Error);
  const LinkStreams again = place.connect(*transport, [&] {
    control = accept_request(vmm.get(), "CONNECT 4100\n");
    write_all(control.get(), "OK 2\n");
    services = connect_unix(place.at("vsock_4101"));
  });
  write_all(services.get(), "x");
  CHECK(read_some(again.services.get(), 8) == "x");
  CHECK_THROWS_AS(connect_unix(place.at("vsock_4101")), Error);
}

TEST_CASE("a shared stream begins behind the guest's answer - whatever was said before") {
  Place place;
  auto [host, guest] = socket_pair();
  auto other = std::async(std::launch::async, [&guest = guest] {
    guest::OpeningScanner scanner;
    std::string nonce;
    for (char byte = 0; nonce.empty() && read(guest.get(), &byte, 1) == 1;) {
      if (const auto line = scanner.next(byte)) nonce = line->nonce;
    }
    write_all(guest.get(), std::string(300'000, 'x'));
    write_all(guest.get(), guest::to_text({guest::OpeningWord::here, std::string(32, '0')}));
    write_all(guest.get(), guest::to_text({guest::OpeningWord::here, nonce}));
    for (char byte = 0; read(guest.get(), &byte, 1) == 1;) {
      const auto line = scanner.next(byte);
      if (line && line->word == guest::OpeningWord::open) return line->nonce == nonce;
    }
    return false;
  });
  UniqueFd shared(fcntl(host.get(), F_DUPFD_CLOEXEC, 0));
  auto begun = asio::co_spawn(place.io, begin_link(std::move(shared)), asio::use_future);
  place.io.run_for(30s);
  REQUIRE(begun.wait_for(0s) == std::future_status::ready);
  CHECK_NOTHROW(begun.get());
  CHECK(other.get());
}

TEST_CASE("a guest that says everything else on a shared stream is given up") {
  Place place;
  auto [host, guest] = socket_pair();
  auto other = std::async(std::launch::async, [&guest = guest] {
    const std::string noise(1'000'000, '\n');
    try {
      for (int i = 0; i < 40; ++i) write_all(guest.get(), noise);
    } catch (const Error&) {
      return true;
    }
    return false;
  });
  auto begun = asio::co_spawn(place.io, begin_link(std::move(host)), asio::use_future);
  place.io.run_for(30s);
  REQUIRE(begun.wait_for(0s) == std::future_status::ready);
  CHECK_THROWS_WITH_AS(begun.get(), "the guest says everything but that it is there", Error);
  CHECK(other.get());
}
