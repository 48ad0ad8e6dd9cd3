// link_attack.cpp - HTTP/2 (RFC 9113) spoken badly, by hand.
#include "tests/vm/hostile/link_attack.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>

#include "base/error.hpp"
#include "guest/boot.hpp"

namespace agentvm::hostile {

namespace {

constexpr std::string_view client_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum FrameType : std::uint8_t {
  data_frame = 0,
  headers_frame = 1,
  reset_frame = 3,
  settings_frame = 4,
  ping_frame = 6,
  continuation_frame = 9
};
constexpr std::uint8_t end_stream = 1;
constexpr std::uint8_t end_headers = 4;

std::string big_endian(std::uint32_t value, int bytes) {
  std::string out;
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

std::string frame(FrameType type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  return big_endian(static_cast<std::uint32_t>(payload.size()), 3) + static_cast<char>(type) +
         static_cast<char>(flags) + big_endian(stream, 4) + std::string(payload);
}

/// A literal field without indexing (RFC 7541, 6.2.2); both texts shorter than 127 bytes.
std::string literal(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + std::string(name) + static_cast<char>(value.size()) +
         std::string(value);
}

std::string request(std::string_view path) {
  return literal(":method", "POST") + literal(":scheme", "http") + literal(":authority", "host") +
         literal(":path", path);
}

/// Writes it all and throws away what comes back meanwhile; false when the host has hung up.
class Port {
 public:
  explicit Port(int fd) : fd_(fd) {}

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      pollfd item{fd_, POLLIN | POLLOUT, 0};
      if (poll(&item, 1, -1) < 0 && errno != EINTR) return false;
      if ((item.revents & POLLHUP) != 0) return false;
      if ((item.revents & POLLIN) != 0 && !drain()) return false;
      if ((item.revents & POLLOUT) == 0) continue;
      const ssize_t sent = write(fd_, bytes.data(), bytes.size());
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// Listens and says nothing, until the host hangs up.
  void wait_for_end() const {
    for (;;) {
      pollfd item{fd_, 0, 0};
      if (poll(&item, 1, 1000) > 0 && (item.revents & POLLHUP) != 0) return;
    }
  }

 private:
  bool drain() const {
    std::array<char, 4096> buffer{};
    const ssize_t got = read(fd_, buffer.data(), buffer.size());
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  }

  int fd_;
};

/// The beginning of an honest client.
bool greet(Port& services) {
  return services.send(std::string(client_preface) + frame(settings_frame, 0, 0, {}));
}

void send_for_ever(Port& port, const std::string& bytes) {
  while (port.send(bytes)) {
  }
}

void garbage(Port& port) {
  std::minstd_rand random(7);  // NOLINT(bugprone-random-generator-seed): the same garbage each time
  std::string bytes(65536, '\0');
  do {
    for (char& c : bytes) c = static_cast<char>(random());
  } while (port.send(bytes));
}

/// More streams than the host allows, all left open.
void many_streams(Port& services) {
  if (!greet(services)) return;
  for (std::uint32_t id = 1; id < 401; id += 2) {
    if (!services.send(frame(headers_frame, end_headers, id, request("/model")))) return;
  }
  services.wait_for_end();
}

/// Opens and resets as fast as it can (CVE-2023-44487).
void rapid_resets(Port& services) {
  if (!greet(services)) return;
  for (std::uint32_t id = 1; id < 0x7fff0000; id += 2) {
    const std::string both =
        frame(headers_frame, end_headers, id, request("/model")) + frame(reset_frame, 0, id, big_endian(8, 4));
    if (!services.send(both)) return;
  }
}

/// One header block of 100 MB that never ends (CVE-2024-28182).
void endless_headers(Port& services) {
  if (!greet(services)) return;
  if (!services.send(frame(headers_frame, 0, 1, request("/model")))) return;
  std::string fields;
  while (fields.size() < 16000) fields += literal("x-field", "0123456789012345678901234567890123456789");
  for (int sent = 0; sent < 100'000'000; sent += 16000) {
    if (!services.send(frame(continuation_frame, 0, 1, fields))) return;
  }
  services.wait_for_end();
}

/// Says that it is ready, then answers the first question on the control link for ever and without asking whether
/// there is room.
void endless_answer(Port& control, Port& services) {
  const std::string report = R"({"init_started_ms":1,"links_open_ms":2,"ready_ms":3,"kernel":"hostile"})";
  if (!greet(services)) return;
  if (!services.send(frame(headers_frame, end_headers, 1, request("/ready")) +
                     frame(data_frame, end_stream, 1, report))) {
    return;
  }
  const std::string ok(1, static_cast<char>(0x88));  // :status 200, index 8 of the static table (RFC 7541, appendix A)
  if (!control.send(frame(settings_frame, 0, 0, {}) + frame(headers_frame, end_headers, 1, ok))) return;
  send_for_ever(control, frame(data_frame, 0, 1, std::string(16384, 'x')));
}

/// Promises 16 KB and sends one byte of it.
void half_frame(Port& services) {
  if (!greet(services)) return;
  services.send(frame(headers_frame, end_headers, 1, std::string(16000, 'h')).substr(0, 10));
  services.wait_for_end();
}

}  // namespace

void attack_links(const std::string& way, int control, int services) {
  Port control_port(control);
  Port services_port(services);
  if (way == "silent") {
    services_port.wait_for_end();
  } else if (way == "garbage") {
    garbage(services_port);
  } else if (way == "control-garbage") {
    garbage(control_port);
  } else if (way == "pings") {
    if (greet(services_port)) send_for_ever(services_port, frame(ping_frame, 0, 0, "12345678"));
  } else if (way == "settings") {
    if (greet(services_port)) send_for_ever(services_port, frame(settings_frame, 0, 0, {}));
  } else if (way == "streams") {
    many_streams(services_port);
  } else if (way == "resets") {
    rapid_resets(services_port);
  } else if (way == "headers") {
    endless_headers(services_port);
  } else if (way == "answers") {
    endless_answer(control_port, services_port);
  } else if (way == "half-frame") {
    half_frame(services_port);
  } else {
    throw Error("no such way to attack a link: " + way);
  }
}

}  // namespace agentvm::hostile
