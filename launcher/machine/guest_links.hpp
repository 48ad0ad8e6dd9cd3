// guest_links.hpp - the two links to the guest: the sessions spoken on what a LinkTransport connects.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "launcher/machine/link_transport.hpp"

namespace agentvm::machine {

/// Made before the VMM starts. Links come up with accept(), may be dropped with drop() and come up anew with accept(),
/// any number of times; what runs in the guest goes on. A drop breaks every stream of both links, on both sides:
/// GuestOutput, GuestInput and process_end() (guest_process.hpp) go on with the next ones.
class GuestLinks {
 public:
  GuestLinks(boost::asio::any_io_executor executor, std::unique_ptr<LinkTransport> transport);

  /// What a service's path ("/mcp/nixos") is answered by; paths not named here get 404, without a session end. Holds
  /// for all links to come, as "/ready" does, which the guest says on each.
  void serve(std::string path, link::Handler handler) { (*services_)[std::move(path)] = std::move(handler); }

  /// Connects both and keeps the sessions running. `lost` is called once, with the reason, when either ends without a
  /// drop(). The first time it returns when both are connected; after a drop when the guest is there too, and throws
  /// Error when it does not come.
  boost::asio::awaitable<void> accept(std::function<void(std::string)> lost);

  /// Tells the guest, waits until it has agreed, and closes both. No process is being started then. Throws Error when
  /// the guest does not agree within `limit`: the links are as they were. At most one at a time, between accept() and
  /// the next.
  boost::asio::awaitable<void> drop(std::chrono::milliseconds limit = std::chrono::seconds(5));

  /// After a drop: connects both, and gives the streams to somebody else to speak on, who has them for good; may be
  /// asked for again when that one has dropped its links. Throws Error.
  boost::asio::awaitable<LinkStreams> hand_over();

  /// The control session as soon as there is one that stands, through a drop. Throws Error once the links are closed or
  /// lost.
  boost::asio::awaitable<link::SessionPtr> connected();
  /// Whether a stream that broke just now did so by a drop: there will be new links.
  bool dropped() const noexcept {
    return state_ == State::dropping || state_ == State::dropped || state_ == State::connecting;
  }
  /// Counts the links, from 1. A stream of earlier ones broke with a drop.
  unsigned generation() const noexcept { return generation_; }

  /// Whether accept() returns only when the guest itself is there.
  bool wait_for_guest() const noexcept { return transport_->waits_for_guest(); }
  /// The present control session, or the last one.
  const link::SessionPtr& control() const noexcept { return control_; }
  /// Ends both sessions in order; nobody waits for it.
  void close() noexcept;
  /// Ends everything at once: when it completes, no session runs and no service's handler.
  boost::asio::awaitable<void> join();

 private:
  enum class State { fresh, connecting, connected, dropping, dropped, over };
  struct Pair;
  void set(State state) noexcept;
  static boost::asio::awaitable<void> run_session(std::shared_ptr<Pair> pair, link::SessionPtr session, UniqueFd shared,
                                                  std::string name);
  static boost::asio::awaitable<void> wait_begun(std::shared_ptr<Pair> pair);

  using Services = std::map<std::string, link::Handler>;
  static boost::asio::awaitable<void> answer(std::shared_ptr<Services> services, link::StreamPtr stream);

  boost::asio::any_io_executor executor_;
  std::unique_ptr<LinkTransport> transport_;
  std::shared_ptr<Services> services_ = std::make_shared<Services>();
  State state_ = State::fresh;
  AsyncEvent changed_;
  unsigned generation_ = 0;
  std::shared_ptr<Pair> pair_;
  link::SessionPtr control_;
  std::optional<TaskGroup> sessions_;  ///< anew with each accept()
};

}  // namespace agentvm::machine
