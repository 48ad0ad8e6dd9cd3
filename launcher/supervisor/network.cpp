// network.cpp - the VM's lease of a tap: taken before the VMM starts, watched, and given back after it.
#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "launcher/host/network.hpp"
#include "launcher/supervisor/life.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {
/// One request of the client's, which waits 20 s for an answer; then the VM ends, and with it the waiting.
constexpr auto lease_limit = 30s;
}  // namespace

void Life::publish_ports() {
  for (const auto& port : spec_.publish) {
    auto publisher = std::make_shared<gateway::PortPublisher>(port.address, port.port, port.guest_port);
    const auto control = [this] { return ready_ ? links_.control() : link::SessionPtr(); };
    asio::co_spawn(io_, gateway::PortPublisher::serve(publisher, control), asio::detached);
    published_.push_back(std::move(publisher));
  }
}

asio::awaitable<void> Life::take_lease() {
  if (spec_.egress != vmspec::Egress::nat) co_return;
  step("network", "taking a lease of the network");
  // Shared: a netd that does not answer may outlast this frame.
  struct Outcome {
    std::optional<network::HeldLease> lease;
    std::optional<Error> failure;
  };
  const auto outcome = std::make_shared<Outcome>();
  asio::post(worker_, [this, outcome, name = spec_.name, stop = lease_stop_.get_token()] {
    std::optional<network::HeldLease> lease;
    std::optional<Error> failure;
    try {
      lease = network::take_lease(host::netd_here(), name, false, stop);
    } catch (const Error& error) {
      failure = error;
    } catch (const std::exception& error) {
      failure = Error(error.what());
    }
    asio::post(io_, [this, outcome, taken = std::move(lease), refused = std::move(failure)]() mutable {
      outcome->lease = std::move(taken);
      outcome->failure = std::move(refused);
      changed_.notify();
    });
  });
  const auto answered = [&] { return outcome->lease.has_value() || outcome->failure.has_value(); };
  co_await wait_until(answered, lease_limit, "the network's lease");
  if (outcome->failure) throw Error(*outcome->failure);
  lease_ = std::move(outcome->lease);
  const network::LeaseInfo& info = lease_->info;
  for (const std::string& note : info.notes) spdlog::info("{}", note);
  events_.add("network", {{"tap", info.lease.tap},
                          {"bridge", info.bridge},
                          {"mac", format(info.lease.mac)},
                          {"address", fmt::format("{}/{}", format(info.lease.address), info.prefix)},
                          {"gateway", format(info.gateway)}});
  asio::co_spawn(io_, watch_lease(fcntl(lease_->connection.get(), F_DUPFD_CLOEXEC, 3)), asio::detached);
}

asio::awaitable<void> Life::watch_lease(int duplicate) {
  asio::posix::stream_descriptor connection(io_, duplicate);
  co_await connection.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  if (stopping_ || !lease_) co_return;
  end("the network was lost", Error("agentvm-netd ended, and with it the VM's network: the VM was ended too",
                                    "journalctl -u agentvm-netd may tell why it ended."));
}

std::optional<guest::NetworkSetup> Life::network_setup() const {
  if (!lease_) return std::nullopt;
  const network::LeaseInfo& info = lease_->info;
  return guest::NetworkSetup{format(info.lease.mac), format(info.lease.address), info.prefix, format(info.gateway),
                             format(info.resolver)};
}

void Life::drop_lease() {
  if (!lease_) return;
  char byte = 0;
  const bool lost = recv(lease_->connection.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
  // Not only closed: the watch has a duplicate.
  shutdown(lease_->connection.get(), SHUT_RDWR);
  lease_.reset();
  // What a killed netd left: its unit sees to that, and root's own netd has none.
  if (lost) network::clean_after_netd(host::netd_here());
}

}  // namespace agentvm::supervisor
