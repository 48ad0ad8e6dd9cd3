// lease_holder.cpp - holds a lease as a supervisor does: DIRECTORY PROGRAM NAME. Prints the answer's line, then "lost"
// when the lease is; ends with its stdin.
#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "base/error.hpp"
#include "network/client/lease_client.hpp"

namespace {

using namespace agentvm::network;

void hold(const NetdAccess& access, const std::string& name) {
  const HeldLease held = take_lease(access, name, false);
  std::fputs(to_line(held.info).c_str(), stdout);
  std::fflush(stdout);
  pollfd items[2] = {{held.connection.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  while (poll(items, 2, -1) < 0) {
  }
  if (items[0].revents != 0) std::puts("lost");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    hold({.directory = argv[1], .program = argv[2]}, argv[3]);
    return 0;
  } catch (const agentvm::Error& error) {
    std::fputs(to_line(Refusal{error.what(), error.hint()}).c_str(), stdout);
    return 1;
  }
}
