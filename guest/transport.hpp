// transport.hpp - the guest's ends of the two links: virtio-serial ports or vsock connections.
#pragma once

#include <chrono>
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

/// Opens both and returns when the host is connected to both. Throws Error naming what is missing when the time is up.
/// `events` must have been open since before the drivers were loaded.
Links open_links(Transport transport, const UeventSocket& events, std::chrono::milliseconds limit);

}  // namespace agentvm::guest
