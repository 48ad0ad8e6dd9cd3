// identity.cpp - random identities.
#include "launcher/state/identity.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"

namespace agentvm::state {

namespace {

void fill(void* bytes, std::size_t count) {
  ssize_t got = 0;
  do {
    got = getrandom(bytes, count, 0);
  } while (got < 0 && errno == EINTR);
  // Up to 256 bytes come whole or not at all (getrandom(2)).
  if (got != static_cast<ssize_t>(count)) throw system_error(errno, "reading random bytes");
}

std::array<unsigned char, 16> random_id() {
  std::array<unsigned char, 16> bytes{};
  fill(bytes.data(), bytes.size());
  // RFC 4122, 4.4: version 4, variant 10. systemd's machine ids have the same shape (machine-id(5)).
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  return bytes;
}

std::string hex(const std::array<unsigned char, 16>& bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  fill(bytes.data(), bytes.size());
  return bytes;
}

std::string random_uuid() {
  std::string text = hex(random_id());
  for (const std::size_t dash : {8U, 13U, 18U, 23U}) text.insert(dash, 1, '-');
  return text;
}

std::string random_machine_id() {
  return hex(random_id());
}

}  // namespace agentvm::state
