// server.cpp - one poll(2) over the listener, the callers, dnsmasq and signals.
#include "network/netd/server.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::network {

namespace {

using Clock = std::chrono::steady_clock;

/// Connections at once, of everybody and of one user beyond its leases.
constexpr std::size_t most_callers = 4096;
constexpr std::size_t spare_callers_per_user = 16;
/// A dnsmasq that dies sooner than this is not started again until the next lease.
constexpr std::chrono::seconds resolver_rest{10};
/// Out of descriptors: a pause lets callers go.
constexpr std::chrono::milliseconds accept_rest{200};
/// Between two repairs: somebody may undo them for ever.
constexpr std::chrono::seconds repair_rest{1};

/// A caller that does not take its answer at once is no caller of ours: answers fit the socket's buffer.
bool send_all(int socket, std::string_view text) {
  const ssize_t sent = send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(text.size());
}

}  // namespace

Server::Server(ServerOptions options, HostNetwork& network) : options_(std::move(options)), network_(network) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  signals_.reset(signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) throw system_error(errno, "watching for signals");
  if (options_.first_caller) add(std::move(options_.first_caller));
}

void Server::serve() {
  for (;;) {
    if (options_.until_idle && callers_.empty()) return;
    const bool listens = callers_.size() < most_callers && Clock::now() >= deaf_until_;
    std::vector<pollfd> items = {{signals_.get(), POLLIN, 0},
                                 {listens ? options_.listener.get() : -1, POLLIN, 0},
                                 {-1, POLLIN, 0},
                                 {-1, POLLIN, 0},
                                 {rule_watch_.fd(), POLLIN, 0},
                                 {link_watch_.fd(), POLLIN, 0}};
    if (Resolver* resolver = network_.resolver()) {
      items[2].fd = resolver->output_ended() ? -1 : resolver->output();
      items[3].fd = resolver->pidfd();
    }
    const std::size_t first = items.size();
    for (const Caller& caller : callers_) items.push_back({caller.socket.get(), POLLIN, 0});
    if (poll(items.data(), items.size(), milliseconds_to_deadline()) < 0 && errno != EINTR) {
      throw system_error(errno, "waiting for callers");
    }
    if (items[0].revents != 0) return;
    // Before anything else: without rules every guest reaches everything.
    if (items[4].revents != 0 && rule_watch_.table_deleted()) {
      for (const std::string& sentence : network_.restore_rules()) spdlog::error("{}", sentence);
    }
    if (items[5].revents != 0 && link_watch_.changed([this](int index) { return network_.concerns(index); })) {
      repair_wanted_ = true;
    }
    repair();
    const auto now = Clock::now();
    std::size_t index = first;
    for (auto caller = callers_.begin(); caller != callers_.end(); ++index) {
      const auto current = caller++;
      // What is there is read first: the time may have gone into other callers' leases.
      const bool ended = items[index].revents != 0 && !read_from(*current);
      if (ended || (!current->lease && now >= current->deadline)) dismiss(current);
    }
    if (items[2].revents != 0 || items[3].revents != 0) watch_resolver();
    if (items[1].revents != 0) accept_callers();
  }
}

void Server::repair() {
  if (!repair_wanted_ || Clock::now() < no_repair_before_) return;
  repair_wanted_ = false;
  const std::vector<std::string> said = network_.repair();
  for (const std::string& sentence : said) spdlog::warn("{}", sentence);
  if (!said.empty()) no_repair_before_ = Clock::now() + repair_rest;
}

int Server::milliseconds_to_deadline() const {
  auto earliest = deaf_until_ > Clock::now() ? deaf_until_ : Clock::time_point::max();
  if (repair_wanted_) earliest = std::min(earliest, no_repair_before_);
  for (const Caller& caller : callers_) {
    if (!caller.lease) earliest = std::min(earliest, caller.deadline);
  }
  if (earliest == Clock::time_point::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(earliest - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

void Server::accept_callers() {
  while (callers_.size() < most_callers) {
    UniqueFd socket(accept4(options_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        deaf_until_ = Clock::now() + accept_rest;
      }
      return;
    }
    add(std::move(socket));
  }
}

void Server::add(UniqueFd socket) {
  try {
    set_nonblocking(socket.get(), true);
    Peer peer = peer_of(socket.get());
    const auto same =
        std::count_if(callers_.begin(), callers_.end(), [&](const Caller& one) { return one.peer.uid == peer.uid; });
    if (peer.uid != 0 && static_cast<std::size_t>(same) >= options_.leases_per_user + spare_callers_per_user) return;
    callers_.push_back(
        {.socket = std::move(socket), .peer = std::move(peer), .deadline = Clock::now() + options_.request_limit});
  } catch (const Error& error) {
    spdlog::warn("a caller was turned away: {}", error.what());
  }
}

bool Server::read_from(Caller& caller) {
  char buffer[longest_request];
  const ssize_t got = recv(caller.socket.get(), buffer, sizeof buffer, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  // Nothing more is to come from who holds a lease.
  if (got == 0 || caller.lease) return false;
  caller.input.append(buffer, static_cast<std::size_t>(got));
  const std::size_t end = caller.input.find('\n');
  if (end == std::string::npos && caller.input.size() < longest_request) return true;
  if (end == std::string::npos || end + 1 != caller.input.size()) {
    send_all(caller.socket.get(),
             to_line(Refusal{fmt::format("a request is one line of at most {} bytes", longest_request), ""}));
    return false;
  }
  return answer(caller, std::string_view(caller.input).substr(0, end));
}

bool Server::answer(Caller& caller, std::string_view line) {
  std::string text;
  try {
    // Said only when asked: an answer nobody waits for yet could be lost with the connection.
    if (!may_lease(caller.peer, options_.group)) {
      throw Error(fmt::format("user {} may not use agentvm-netd", caller.peer.uid),
                  fmt::format("Become a member of the group {0} (sudo usermod -aG {0} NAME) and log in again, or run "
                              "with --egress none.",
                              group_name));
    }
    const Request request = request_from_line(line);
    text = request.kind == Request::Kind::show ? shown() : grant(caller, request);
  } catch (const Error& error) {
    text = to_line(Refusal{error.what(), error.hint()});
  } catch (const std::exception& error) {
    spdlog::error("a request of user {} failed: {}", caller.peer.uid, error.what());
    text = to_line(Refusal{"agentvm-netd could not answer this request", "Its log tells why."});
  }
  return send_all(caller.socket.get(), text) && caller.lease.has_value();
}

std::string Server::grant(Caller& caller, const Request& request) {
  const auto held = std::count_if(callers_.begin(), callers_.end(), [&](const Caller& one) {
    return one.peer.uid == caller.peer.uid && one.lease.has_value();
  });
  if (caller.peer.uid != 0 && static_cast<std::size_t>(held) >= options_.leases_per_user) {
    throw Error(fmt::format("user {} holds {} leases, and no user may hold more", caller.peer.uid, held),
                "End a VM with `agentvm destroy`, or raise agentvm-netd --leases-per-user.");
  }
  const bool first = network_.leases().empty();
  const LeaseInfo info = network_.acquire(request.name, caller.peer.uid, request.multi_queue);
  if (first) {
    resolver_started_ = Clock::now();
    for (const std::string& note : network_.notes()) spdlog::info("{}", note);
  }
  caller.lease = info.lease;
  spdlog::info("{} {} {} for {} of user {}", info.lease.tap, format(info.lease.address), format(info.lease.mac),
               info.lease.vm, caller.peer.uid);
  return to_line(info);
}

std::string Server::shown() {
  NetworkInfo info{network_.network(), {}, network_.notes()};
  for (std::string& obstacle : network_.obstacles()) info.notes.push_back(std::move(obstacle));
  for (const Caller& caller : callers_) {
    if (!caller.lease) continue;
    info.leases.push_back({*caller.lease, caller.peer.uid, static_cast<std::uint32_t>(caller.peer.pid)});
  }
  return to_line(info);
}

void Server::dismiss(Callers::iterator caller) {
  if (caller->lease) {
    for (const std::string& sentence : network_.release(*caller->lease)) spdlog::warn("{}", sentence);
    spdlog::info("{} {} is free", caller->lease->tap, format(caller->lease->address));
  }
  callers_.erase(caller);
}

void Server::watch_resolver() {
  Resolver* resolver = network_.resolver();
  if (resolver == nullptr) return;
  resolver_text_ += resolver->read_output();
  for (std::size_t end = 0; (end = resolver_text_.find('\n')) != std::string::npos;) {
    spdlog::info("{}", resolver_text_.substr(0, end));
    resolver_text_.erase(0, end + 1);
  }
  if (resolver_text_.size() > longest_request) resolver_text_.clear();
  if (!resolver->ended()) return;
  const auto now = Clock::now();
  const bool again = now - resolver_started_ > resolver_rest;
  resolver_started_ = now;
  spdlog::error("dnsmasq has died: {}", again ? "it is started again" : "guests have no DNS until the next lease");
  try {
    network_.restart_resolver(again);
  } catch (const Error& error) {
    spdlog::error("{}", error.what());
  }
}

}  // namespace agentvm::network
