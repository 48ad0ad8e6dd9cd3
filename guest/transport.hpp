// transport.hpp - the guest's ends of the two links: virtio-serial ports or vsock connections.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "guest/uevents.hpp"

namespace agentvm::guest {

enum class Transport { virtio_serial, vsock };
/// "virtio-serial" or "vsock"; nullopt for anything else.
std::optional<Transport> parse_transport(std::string_view name) noexcept;

/// Connected, non-blocking byte streams.
struct Links {
  UniqueFd control;
  UniqueFd services;
};

/// Where the links come from, time after time.
class LinkSource {
 public:
  virtual ~LinkSource() = default;
  /// The next pair, as soon as the host has begun it; waits as long as it takes, and may be cancelled. The pair before
  /// must have been closed. The source outlives it. Throws Error when there will be none.
  virtual boost::asio::awaitable<Links> next() = 0;
};

/// Finds the devices. Throws Error naming what is missing when the time is up. `events` must have been open since
/// before the drivers were loaded.
std::unique_ptr<LinkSource> link_source(Transport transport, const UeventSocket& events,
                                        std::chrono::milliseconds limit);
/// Links on two streams that stay connected, or read as ended while nobody is at their other end (link_opening.hpp).
std::unique_ptr<LinkSource> serial_link_source(UniqueFd control, UniqueFd services);

/// The first pair, waited for in an event loop of its own. Throws Error when the time is up.
Links first_links(LinkSource& source, std::chrono::milliseconds limit);
/// Both at once, for who needs one pair only.
Links open_links(Transport transport, const UeventSocket& events, std::chrono::milliseconds limit);

}  // namespace agentvm::guest
