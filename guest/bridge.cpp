// bridge.cpp - copies stdin to a service and the service to stdout, each on a thread of its own: a blocking copy is
// back-pressure by itself, and neither direction can hold up the other.
#include "guest/bridge.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::guest {

namespace {

constexpr std::size_t chunk_bytes = 64 * 1024;
constexpr std::size_t max_answer_bytes = 8192;

ssize_t read_some(int fd, char* buffer, std::size_t size) {
  ssize_t got = 0;
  do {
    got = read(fd, buffer, size);
  } while (got < 0 && errno == EINTR);
  return got;
}

/// The daemon's one line; byte by byte, for what follows belongs to the service.
std::string read_answer(int socket) {
  std::string line;
  char byte = 0;
  while (line.size() < max_answer_bytes) {
    const ssize_t got = read_some(socket, &byte, 1);
    if (got < 0) throw system_error(errno, "reading the daemon's answer");
    if (got == 0) throw Error("the daemon closed the connection without an answer");
    if (byte == '\n') return line;
    line += byte;
  }
  throw Error("the daemon's answer has no end");
}

/// Copies until the end of `from`; false: a read or a write failed, with errno.
bool copy(int from, int to) {
  std::vector<char> buffer(chunk_bytes);
  for (;;) {
    const ssize_t got = read_some(from, buffer.data(), buffer.size());
    if (got == 0) return true;
    if (got < 0) return false;
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    while (!bytes.empty()) {
      const ssize_t written = write(to, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
}

void complain(std::string_view sentence) noexcept {
  try {
    write_all(STDERR_FILENO, "agentvm-guest: " + std::string(sentence) + "\n");
  } catch (const std::exception&) {
    return;  // nobody listens
  }
}

}  // namespace

int run_bridge(const std::string& name, const std::string& socket_path, int input, int output) {
  // A closed pipe must come back as EPIPE: the other direction may still have something to say.
  signal(SIGPIPE, SIG_IGN);
  try {
    const auto socket = std::make_shared<UniqueFd>(connect_unix(socket_path));
    write_all(socket->get(), name + "\n", "asking for the service " + name);
    const std::string answer = read_answer(socket->get());
    if (answer != "ok") {
      complain(answer.starts_with("error ") ? std::string_view(answer).substr(6) : std::string_view(answer));
      return 1;
    }
    // Blocked in read(2) on a stdin that may never end, this thread cannot be joined: it shares the socket instead.
    std::thread([socket, input] {
      copy(input, socket->get());
      shutdown(socket->get(), SHUT_WR);
    }).detach();
    if (copy(socket->get(), output)) return 0;
    complain(system_error(errno, "service " + name).what());
    return 1;
  } catch (const Error& error) {
    complain(Error(error).wrap("service " + name).what());
    return 1;
  }
}

}  // namespace agentvm::guest
