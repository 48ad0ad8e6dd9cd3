// interruption.cpp - blocked signals and a signalfd, which is only looked at: the signal stays pending.
#include "launcher/nix/interruption.hpp"

#include <poll.h>
#include <sys/signalfd.h>

#include <cerrno>

#include "base/error.hpp"

namespace agentvm::image {

Interruption::Interruption() {
  sigset_t ends;
  sigemptyset(&ends);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    // nohup(1): what is ignored would be seen all the same once it is blocked.
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&ends, number);
  }
  signals_.reset(signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) throw system_error(errno, "watching for signals");
  pthread_sigmask(SIG_BLOCK, &ends, &before_);
}

Interruption::~Interruption() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool Interruption::comes_before(int fd) const {
  pollfd items[2] = {{signals_.get(), POLLIN, 0}, {fd, POLLIN, 0}};
  while (poll(items, 2, -1) < 0) {
    if (errno != EINTR) throw system_error(errno, "waiting for a program");
  }
  return items[0].revents != 0;
}

}  // namespace agentvm::image
