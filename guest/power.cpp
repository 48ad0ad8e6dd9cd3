// power.cpp - the end of a VM.
#include "guest/power.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/input.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <string>
#include <string_view>

#include "base/file.hpp"

namespace agentvm::guest {

namespace {

constexpr time_t flush_seconds = 2;

/// The mount points of all virtiofs shares, the last mounted first (proc(5), /proc/PID/mounts).
std::vector<std::string> shares() {
  std::vector<std::string> points;
  const std::string text = read_file_if_exists("/proc/self/mounts").value_or("");
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view line = std::string_view(text).substr(start, end - start);
    start = end + 1;
    const std::size_t path = line.find(' ');
    const std::size_t type = line.find(' ', path + 1);
    if (path == std::string_view::npos || type == std::string_view::npos) continue;
    if (line.substr(type + 1).starts_with("virtiofs ")) {
      points.insert(points.begin(), std::string(line.substr(path + 1, type - path - 1)));
    }
  }
  return points;
}

void flush() noexcept {
  try {
    sync();
    for (const std::string& point : shares()) umount2(point.c_str(), 0);
  } catch (const std::exception&) {
    return;  // the machine goes off all the same
  }
}

/// Waits for one process with a deadline, reaping whatever else ends. SIGCHLD must be blocked.
void wait_for(pid_t awaited, time_t seconds) noexcept {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const time_t deadline = now.tv_sec + seconds;
  for (;;) {
    for (pid_t pid = 0; (pid = waitpid(-1, nullptr, WNOHANG)) > 0;) {
      if (pid == awaited) return;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec >= deadline) return;
    const timespec left{deadline - now.tv_sec, 0};
    sigtimedwait(&children, nullptr, &left);
  }
}

}  // namespace

void power_off() noexcept {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  kill(-1, SIGKILL);
  const pid_t flusher = fork();
  if (flusher == 0) {
    flush();
    _exit(0);
  }
  if (flusher > 0) wait_for(flusher, flush_seconds);
  reboot(RB_POWER_OFF);
  // Only without the privilege to do so, that is, never for PID 1.
  _exit(1);
}

std::vector<UniqueFd> open_input_devices() {
  std::vector<UniqueFd> devices;
  DIR* directory = opendir("/dev/input");
  if (directory == nullptr) return devices;
  while (const dirent* entry = readdir(directory)) {
    if (!std::string_view(entry->d_name).starts_with("event")) continue;
    UniqueFd device(open((std::string("/dev/input/") + entry->d_name).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (device) devices.push_back(std::move(device));
  }
  closedir(directory);
  return devices;
}

bool power_button_pressed(int input_device) noexcept {
  bool pressed = false;
  input_event event{};
  while (read(input_device, &event, sizeof event) == static_cast<ssize_t>(sizeof event)) {
    pressed = pressed || (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1);
  }
  return pressed;
}

}  // namespace agentvm::guest
