// share_watch.cpp - a thread that copies words up to a limit and answers chmods.
#include "launcher/machine/share_watch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <seccomp.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::workspace {

namespace {

/// The number that virtiofsd names an inode by: fchmodat(/proc/self/fd, "12", mode). -1: it is something else.
int descriptor_name(pid_t thread, std::uint64_t address) noexcept {
  char text[12] = {};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the other process.
  const iovec remote{reinterpret_cast<void*>(address), sizeof text - 1};
  const iovec local{text, sizeof text - 1};
  if (process_vm_readv(thread, &local, 1, &remote, 1, 0) <= 0) return -1;
  const std::string_view name(text);
  if (name.empty() || name.size() > 9 || name.find_first_not_of("0123456789") != std::string_view::npos) return -1;
  return std::atoi(text);
}

/// 0, or the errno that the asking thread is given.
int set_mode(int listener, const seccomp_notif& request) noexcept {
  try {
    const auto thread = static_cast<pid_t>(request.pid);
    const int number = descriptor_name(thread, request.data.args[1]);
    if (number < 0) return EPERM;
    const UniqueFd directory(
        open(fmt::format("/proc/{}/fd/{}", thread, number).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    // The thread still waits, so what was read of it was its own.
    if (!directory || seccomp_notify_id_valid(listener, request.id) != 0) return EPERM;
    const auto mode = static_cast<mode_t>(request.data.args[2] & 07777U);
    return chmod(fmt::format("/proc/self/fd/{}", directory.get()).c_str(), mode) < 0 ? errno : 0;
  } catch (const std::exception&) {
    return ENOMEM;
  }
}

}  // namespace

ShareWatch::ShareWatch(UniqueFd words, UniqueFd log, UniqueFd chmods)
    : words_(std::move(words)),
      log_(std::move(log)),
      chmods_(std::move(chmods)),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!stop_) throw system_error(errno, "watching virtiofsd");
  set_nonblocking(words_.get(), true);
  thread_ = std::thread([this] { run(); });
}

ShareWatch::~ShareWatch() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void ShareWatch::run() noexcept {
  while (words_ || chmods_) {
    pollfd items[] = {
        {words_.get(), POLLIN, 0},
        {chmods_.get(), POLLIN, 0},
        {stop_.get(), POLLIN, 0},
    };
    if (poll(items, std::size(items), -1) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (items[0].revents != 0 && !copy_words()) words_.reset();
    if ((items[1].revents & POLLIN) != 0 ? !answer_chmod() : items[1].revents != 0) chmods_.reset();
    if (items[2].revents != 0) return;
  }
}

bool ShareWatch::copy_words() noexcept {
  char buffer[4096];
  while (true) {
    const ssize_t size = read(words_.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size < 0 && errno == EAGAIN;
    struct stat info {};
    if (full_ || fstat(log_.get(), &info) < 0) continue;
    full_ = static_cast<std::size_t>(info.st_size) >= log_limit;
    try {
      write_all(log_.get(), full_
                                ? std::string_view("agentvm: the log is full; virtiofsd's further words are left out\n")
                                : std::string_view(buffer, static_cast<std::size_t>(size)));
    } catch (const std::exception&) {
      full_ = true;  // a full disk: virtiofsd must not wait for it
    }
  }
}

bool ShareWatch::answer_chmod() noexcept {
  seccomp_notif* request = nullptr;
  seccomp_notif_resp* response = nullptr;
  if (seccomp_notify_alloc(&request, &response) < 0) return false;
  const int received = seccomp_notify_receive(chmods_.get(), request);
  if (received == 0) {
    response->id = request->id;
    response->error = -set_mode(chmods_.get(), *request);
    // Fails when the thread was killed meanwhile, which is nothing to us.
    seccomp_notify_respond(chmods_.get(), response);
  }
  seccomp_notify_free(request, response);
  return true;
}

}  // namespace agentvm::workspace
