// inode_keeper.cpp - looks at /proc/sys/fs/inode-nr and writes to drop_caches.
#include "guest/inode_keeper.hpp"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "guest/boot.hpp"

namespace agentvm::guest {

namespace {

/// Nothing tells when an inode comes. Between two looks a guest opens some thousand files at most, a fraction of any
/// limit but a small one, which is looked at more often.
constexpr std::uint64_t small_limit = 200'000;
constexpr std::chrono::milliseconds short_pause{50};
constexpr std::chrono::milliseconds long_pause{500};
/// sysctl/vm.rst: 4 switches off the line in the kernel's log, and cannot be said together with the other.
constexpr char quietly[] = "4\n";
constexpr char dentries_and_inodes[] = "2\n";

std::atomic<std::uint64_t>& limit_in_force() {
  static std::atomic<std::uint64_t> limit = 0;
  return limit;
}

void write_drop_caches(std::string_view what) {
  const UniqueFd caches(open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
  if (!caches) throw system_error(errno, "opening /proc/sys/vm/drop_caches");
  write_all(caches.get(), what, "writing to /proc/sys/vm/drop_caches");
}

std::uint64_t count_inodes() {
  return inodes_in_use(read_file_if_exists("/proc/sys/fs/inode-nr").value_or(""));
}

void look_for_ever() noexcept {
  try {
    write_drop_caches(quietly);
    std::uint64_t kept = 0;  // what the last drop has left: in use, or of no share
    while (true) {
      const std::uint64_t limit = limit_in_force();
      if (limit > 0 && count_inodes() > std::max(limit / 2, kept + limit / 4)) {
        write_drop_caches(dentries_and_inodes);
        kept = count_inodes();
      }
      std::this_thread::sleep_for(limit < small_limit ? short_pause : long_pause);
    }
  } catch (const std::exception& error) {
    say(error.what());
  }
}

}  // namespace

std::uint64_t inodes_in_use(std::string_view inode_nr) noexcept {
  std::uint64_t all = 0;
  std::uint64_t free = 0;
  const char* end = inode_nr.data() + inode_nr.size();
  const auto first = std::from_chars(inode_nr.data(), end, all);
  if (first.ec != std::errc{} || first.ptr == end) return 0;
  const std::size_t next = inode_nr.find_first_not_of(" \t", static_cast<std::size_t>(first.ptr - inode_nr.data()));
  if (next == std::string_view::npos) return 0;
  if (std::from_chars(inode_nr.data() + next, end, free).ec != std::errc{}) return 0;
  return all > free ? all - free : 0;
}

void keep_inodes_below(std::uint64_t limit) {
  limit_in_force() = limit;
  if (limit == 0) return;
  // Never joined: the program ends by _exit, or with the machine.
  static const std::thread::id started = [] {
    std::thread thread(look_for_ever);
    const std::thread::id id = thread.get_id();
    thread.detach();
    return id;
  }();
  static_cast<void>(started);
}

}  // namespace agentvm::guest
