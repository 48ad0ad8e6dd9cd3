// host_parts.cpp - shares by virtiofsd, leases of agentvm-netd, the VMM that the plan names.
#include "launcher/machine/host_parts.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <utility>

#include "base/async/event.hpp"
#include "launcher/host/network.hpp"
#include "launcher/hypervisor/cloud_hypervisor.hpp"
#include "launcher/hypervisor/libvirt_qemu.hpp"
#include "launcher/machine/share_server.hpp"
#include "network/client/lease_client.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;

namespace {

/// virtiofsd. Its ending is waited for on the worker's thread: it may take its grace.
class VirtiofsShare final : public Share {
 public:
  VirtiofsShare(workspace::ShareServerOptions options, UniqueFd listener, std::shared_ptr<BlockingWorker> worker)
      : server_(std::make_shared<workspace::ShareServer>(std::move(options), std::move(listener))),
        worker_(std::move(worker)) {}

  const std::string& socket() const noexcept override { return server_->socket(); }
  std::vector<pid_t> processes() const override { return server_->processes(); }
  asio::awaitable<Error> ended() override { return server_->ended(); }
  asio::awaitable<void> stop(std::chrono::milliseconds grace) override {
    auto stop = [server = server_, grace] { server->stop(grace); };
    auto stopped = worker_->run(std::move(stop));
    co_await std::move(stopped);
  }

 private:
  std::shared_ptr<workspace::ShareServer> server_;
  std::shared_ptr<BlockingWorker> worker_;
};

class NetdLease final : public NetworkLease {
 public:
  NetdLease(const asio::any_io_executor& executor, network::HeldLease lease)
      : lease_(std::move(lease)), connection_(executor, duplicate(lease_.connection.get())) {}
  ~NetdLease() override { give_back(); }
  NetdLease(const NetdLease&) = delete;
  NetdLease& operator=(const NetdLease&) = delete;

  const network::LeaseInfo& info() const noexcept override { return lease_.info; }
  asio::awaitable<void> lost() override {
    co_await connection_.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  }
  void give_back() noexcept override {
    if (!lease_.connection) return;
    char byte = 0;
    const bool lost = recv(lease_.connection.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    // Not only closed: the watch has a duplicate.
    shutdown(lease_.connection.get(), SHUT_RDWR);
    lease_.connection.reset();
    if (!lost) return;
    try {
      // What a killed netd left: its unit sees to that, and root's own netd has none.
      network::clean_after_netd(host::netd_here());
    } catch (const std::exception& error) {
      spdlog::warn("cleaning up after agentvm-netd: {}", error.what());
    }
  }

 private:
  static int duplicate(int fd) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) throw system_error(errno, "watching agentvm-netd");
    return copy;
  }

  network::HeldLease lease_;
  asio::posix::stream_descriptor connection_;
};

/// The console's log as it grows (inotify(7)).
class LoggedConsole final : public Console {
 public:
  LoggedConsole(const asio::any_io_executor& executor, const std::string& log)
      : changed_(executor), log_(open(log.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)), never_(executor) {
    UniqueFd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!watch || inotify_add_watch(watch.get(), log.c_str(), IN_MODIFY) < 0) return;
    changed_.assign(watch.release());
  }

  asio::awaitable<std::string> read() override {
    while (log_ && changed_.is_open()) {
      std::string bytes(std::size_t{16} << 10, '\0');
      const ssize_t got = ::read(log_.get(), bytes.data(), bytes.size());
      if (got > 0) {
        bytes.resize(static_cast<std::size_t>(got));
        co_return bytes;
      }
      if (got < 0 && errno != EINTR) break;
      auto grown = changed_.async_read_some(asio::buffer(events_), asio::use_awaitable);
      co_await std::move(grown);
    }
    for (;;) co_await never_.wait();
  }

 private:
  asio::posix::stream_descriptor changed_;
  UniqueFd log_;
  AsyncEvent never_;
  std::array<char, 4096> events_{};  // several, and none of them is looked at
};

}  // namespace

HostParts::HostParts(asio::any_io_executor executor, const vmspec::VmSpec& spec, const state::VmPaths& paths,
                     std::vector<HeldDirectory> directories, std::string cache_dir, Watch watch)
    : executor_(std::move(executor)),
      spec_(spec),
      paths_(paths),
      directories_(std::move(directories)),
      cache_dir_(std::move(cache_dir)),
      watch_(std::move(watch)),
      jumps_(executor_),
      worker_(std::make_shared<BlockingWorker>(executor_)) {}

HostParts::~HostParts() {
  lease_stop_.request_stop();
}

std::unique_ptr<Share> HostParts::serve_share(const vmspec::ShareSpec& share, std::size_t number) {
  return serve_share_on({}, share, number);
}

std::unique_ptr<Share> HostParts::serve_share_on(UniqueFd listener, const vmspec::ShareSpec& share,
                                                 std::size_t number) {
  const bool given = static_cast<bool>(listener);
  // On this thread, which lives as long as the VM: virtiofsd dies with the thread that started it.
  return std::make_unique<VirtiofsShare>(
      workspace::ShareServerOptions{
          .share = share,
          .directory = number < directories_.size() ? directories_[number] : HeldDirectory::resolve(share.source),
          .virtiofsd = spec_.virtiofsd,
          .mount_place = paths_.share_place(number),
          .socket = given ? std::string() : paths_.share_socket(number),
          .log = paths_.log("virtiofsd"),
          .instance = spec_.uuid,
          .identity = {geteuid(), getegid(), spec_.owner_uid, spec_.owner_gid, spec_.agent.uid, spec_.agent.gid}},
      std::move(listener), worker_);
}

asio::awaitable<std::unique_ptr<NetworkLease>> HostParts::take_lease() {
  if (spec_.egress != vmspec::Egress::nat) co_return nullptr;
  auto ask = [name = spec_.name, stop = lease_stop_.get_token()] {
    return network::take_lease(host::netd_here(), name, false, stop);
  };
  auto asked = worker_->run(std::move(ask));
  network::HeldLease lease = co_await std::move(asked);
  for (const std::string& note : lease.info.notes) spdlog::info("{}", note);
  co_return std::make_unique<NetdLease>(executor_, std::move(lease));
}

std::unique_ptr<LinkTransport> HostParts::make_transport() {
  if (spec_.hypervisor == vmspec::HypervisorKind::cloud_hypervisor) {
    return vsock_transport(paths_.vsock_socket());
  }
  return serial_transport(paths_.control_socket(), paths_.services_socket());
}

std::unique_ptr<hypervisor::Hypervisor> HostParts::make_vmm(const std::vector<std::string>& share_sockets,
                                                            const NetworkLease* lease) {
  hypervisor::Paths paths;
  paths.runtime_dir = paths_.runtime_dir;
  paths.console_log = paths_.log("console");
  paths.vmm_log = paths_.log("vmm");
  paths.control_socket = paths_.control_socket();
  paths.services_socket = paths_.services_socket();
  paths.vsock_socket = paths_.vsock_socket();
  paths.share_sockets = share_sockets;
  if (lease != nullptr) {
    paths.tap = lease->info().lease.tap;
    paths.mac = format(lease->info().lease.mac);
  }
  paths.cache_dir = cache_dir_;
  return spec_.hypervisor == vmspec::HypervisorKind::cloud_hypervisor
             ? hypervisor::make_cloud_hypervisor(executor_, spec_, paths)
             : hypervisor::make_libvirt_qemu(executor_, spec_, paths);
}

std::unique_ptr<Console> HostParts::open_console() {
  return std::make_unique<LoggedConsole>(executor_, paths_.log("console"));
}

void HostParts::watch(const std::string& role, pid_t pid) noexcept {
  try {
    watch_(role, pid);
  } catch (const std::exception& error) {
    spdlog::error("process {} ({}) would outlive a killed supervisor: {}", pid, role, error.what());
  }
}

}  // namespace agentvm::machine
