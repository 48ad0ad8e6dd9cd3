// entropy.cpp - /dev/urandom's ioctls.
#include "guest/entropy.hpp"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <new>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::guest {

void mix_entropy(std::string_view bytes) {
  const UniqueFd device(open("/dev/urandom", O_RDWR | O_CLOEXEC));
  if (!device) throw system_error(errno, "opening /dev/urandom");
  // A header, then the bytes, in words.
  std::vector<__u32> storage(sizeof(rand_pool_info) / sizeof(__u32) + bytes.size() / sizeof(__u32) + 1);
  auto* const info = new (storage.data()) rand_pool_info{};
  info->entropy_count = static_cast<int>(bytes.size() * 8);
  info->buf_size = static_cast<int>(bytes.size());
  std::copy(bytes.begin(), bytes.end(),
            reinterpret_cast<char*>(storage.data()) + offsetof(rand_pool_info, buf));  // NOLINT: the kernel's layout
  if (ioctl(device.get(), RNDADDENTROPY, info) < 0) throw system_error(errno, "adding entropy");
  if (ioctl(device.get(), RNDRESEEDCRNG) < 0) throw system_error(errno, "reseeding the random numbers");
}

}  // namespace agentvm::guest
