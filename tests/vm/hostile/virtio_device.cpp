// virtio_device.cpp - finds the device's registers through its PCI capabilities, and rings its bell.
#include "tests/vm/hostile/virtio_device.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::hostile {

namespace {

constexpr std::size_t page = 4096;
constexpr std::uint16_t ring_size = 8;
constexpr std::uint16_t request_queue = 1;  // 0 is for urgent requests (virtio 1.2, 5.11.2)
constexpr char devices[] = "/sys/bus/pci/devices/";

/// Offsets in the common configuration (virtio 1.2, 4.1.4.3).
namespace common {
constexpr std::size_t driver_feature_select = 8, driver_feature = 12, status = 20, queue_select = 22, queue_size = 24,
                      queue_enable = 28, queue_notify_off = 30, queue_desc = 32, queue_driver = 40, queue_device = 48;
}
enum Status : std::uint8_t { acknowledge = 1, driver = 2, driver_ok = 4, features_ok = 8 };

/// Where the rings lie in their page.
constexpr std::size_t available_offset = 512;
constexpr std::size_t used_offset = 1024;

struct Descriptor {
  std::uint64_t address;
  std::uint32_t length;
  std::uint16_t flags;
  std::uint16_t next;
};
constexpr std::uint16_t has_next = 1;
constexpr std::uint16_t device_writes = 2;

template <typename T>
T little_endian(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.substr(at, sizeof value).data(), sizeof value);
  return value;
}

/// One locked page, with its place in the machine's memory.
class Page {
 public:
  Page() {
    void* memory =
        mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
    if (memory == MAP_FAILED) throw system_error(errno, "locking a page");
    bytes_ = static_cast<char*>(memory);
    std::memset(bytes_, 0, page);
    const UniqueFd map(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    std::uint64_t entry = 0;
    const auto number = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(bytes_) / page * sizeof entry);
    if (pread(map.get(), &entry, sizeof entry, number) != sizeof entry) throw system_error(errno, "reading pagemap");
    physical_ = (entry & ((std::uint64_t{1} << 55) - 1)) * page;
    if (physical_ == 0) throw Error("the kernel does not tell where a page lies");
  }
  ~Page() { munmap(bytes_, page); }
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;

  char* bytes() const noexcept { return bytes_; }
  std::uint64_t physical() const noexcept { return physical_; }
  template <typename T>
  volatile T& at(std::size_t offset) const noexcept {
    return *reinterpret_cast<volatile T*>(bytes_ + offset);
  }

 private:
  char* bytes_ = nullptr;
  std::uint64_t physical_ = 0;
};

/// The window onto one PCI resource.
class Window {
 public:
  Window(const std::string& path, std::size_t size) : size_(size) {
    const UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd) throw system_error(errno, path);
    memory_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (memory_ == MAP_FAILED) throw system_error(errno, "mapping " + path);
  }
  ~Window() { munmap(memory_, size_); }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  template <typename T>
  volatile T& at(std::size_t offset) const noexcept {
    return *reinterpret_cast<volatile T*>(static_cast<char*>(memory_) + offset);
  }

 private:
  void* memory_ = nullptr;
  std::size_t size_;
};

/// Where a structure of the device lies (virtio 1.2, 4.1.4).
struct Place {
  std::uint8_t bar = 0;
  std::uint32_t offset = 0;
  std::uint32_t multiplier = 0;  ///< of the notification structure
};
enum Structure : std::uint8_t { common_structure = 1, notify_structure = 2, device_structure = 4 };

std::map<std::uint8_t, Place> structures(std::string_view config) {
  std::map<std::uint8_t, Place> found;
  constexpr std::uint8_t vendor_specific = 9;
  constexpr std::size_t first_capability = 0x34;
  auto at = static_cast<std::size_t>(static_cast<std::uint8_t>(config.at(first_capability)));
  while (at >= 0x40 && at + 20 <= config.size()) {
    if (static_cast<std::uint8_t>(config[at]) == vendor_specific) {
      const auto type = little_endian<std::uint8_t>(config, at + 3);
      found.try_emplace(type,
                        Place{little_endian<std::uint8_t>(config, at + 4), little_endian<std::uint32_t>(config, at + 8),
                              little_endian<std::uint32_t>(config, at + 16)});
    }
    at = static_cast<std::uint8_t>(config[at + 1]);
  }
  return found;
}

std::vector<std::string> virtio_fs_devices() {
  std::vector<std::string> found;
  DIR* directory = opendir(devices);
  if (directory == nullptr) throw system_error(errno, devices);
  while (const dirent* entry = readdir(directory)) {
    const std::string path = devices + std::string(entry->d_name);
    // 0x1040 + 26, the number of virtio-fs (virtio 1.2, 4.1.2 and 5.11.1).
    if (read_file_if_exists(path + "/device", page).value_or("") == "0x105a\n") found.push_back(path);
  }
  closedir(directory);
  return found;
}

void write_to(const std::string& path, std::string_view text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) throw system_error(errno, path);
  write_all(fd.get(), text, path);
}

/// Lets the device read and write memory, which a driver would do (PCI 3.0, 6.2.2).
void enable(const std::string& device) {
  write_to(device + "/enable", "1");
  const UniqueFd config(open((device + "/config").c_str(), O_RDWR | O_CLOEXEC));
  constexpr off_t command = 4;
  constexpr std::uint16_t memory_and_master = 0x0006;
  std::uint16_t value = 0;
  if (pread(config.get(), &value, sizeof value, command) != sizeof value) throw system_error(errno, "reading config");
  value |= memory_and_master;
  if (pwrite(config.get(), &value, sizeof value, command) != sizeof value) throw system_error(errno, "writing config");
}

}  // namespace

struct VirtioFsDevice::Queue {
  Page rings;
};

struct VirtioFsDevice::State {
  std::map<std::uint8_t, Place> places;
  std::map<std::uint8_t, std::unique_ptr<Window>> windows;
  std::array<Queue, 2> queues;
  Page out, in;

  template <typename T>
  volatile T& reg(Structure structure, std::size_t offset) {
    const Place& place = places.at(structure);
    return windows.at(place.bar)->at<T>(place.offset + offset);
  }

  void set_up_queue(std::uint16_t number) {
    const Queue& queue = queues.at(number);
    reg<std::uint16_t>(common_structure, common::queue_select) = number;
    reg<std::uint16_t>(common_structure, common::queue_size) = ring_size;
    const auto set_address = [this](std::size_t offset, std::uint64_t address) {
      reg<std::uint32_t>(common_structure, offset) = static_cast<std::uint32_t>(address);
      reg<std::uint32_t>(common_structure, offset + 4) = static_cast<std::uint32_t>(address >> 32);
    };
    set_address(common::queue_desc, queue.rings.physical());
    set_address(common::queue_driver, queue.rings.physical() + available_offset);
    set_address(common::queue_device, queue.rings.physical() + used_offset);
    reg<std::uint16_t>(common_structure, common::queue_enable) = 1;
  }

  void start() {
    volatile auto& status = reg<std::uint8_t>(common_structure, common::status);
    status = 0;
    while (status != 0) usleep(1000);
    status = acknowledge | driver;
    // Feature 32, VERSION_1, and no other (virtio 1.2, 6).
    reg<std::uint32_t>(common_structure, common::driver_feature_select) = 0;
    reg<std::uint32_t>(common_structure, common::driver_feature) = 0;
    reg<std::uint32_t>(common_structure, common::driver_feature_select) = 1;
    reg<std::uint32_t>(common_structure, common::driver_feature) = 1;
    status = acknowledge | driver | features_ok;
    if ((status & features_ok) == 0) throw Error("the device does not take the features");
    for (std::size_t number = 0; number < queues.size(); ++number) set_up_queue(static_cast<std::uint16_t>(number));
    status = acknowledge | driver | features_ok | driver_ok;
  }
};

VirtioFsDevice::VirtioFsDevice(const std::string& tag) {
  for (const std::string& device : virtio_fs_devices()) {
    if (access((device + "/driver").c_str(), F_OK) == 0) {
      write_to(device + "/driver/unbind", device.substr(std::strlen(devices)));
    }
    enable(device);
    auto state = std::make_unique<State>();
    state->places = structures(read_file(device + "/config"));
    for (const Structure wanted : {common_structure, notify_structure, device_structure}) {
      const std::uint8_t bar = state->places.at(wanted).bar;
      const std::size_t size = state->places.at(wanted).offset + page;
      auto& window = state->windows[bar];
      // All structures of QEMU's devices lie in one resource of 16 KiB.
      if (!window)
        window =
            std::make_unique<Window>(device + "/resource" + std::to_string(bar), std::max<std::size_t>(size, 4 * page));
    }
    std::string name;
    for (std::size_t i = 0; i < 36; ++i) {
      const char c = state->reg<char>(device_structure, i);
      if (c == '\0') break;
      name += c;
    }
    if (name != tag) continue;
    state->start();
    state_ = std::move(state);
    return;
  }
  throw Error("there is no virtio-fs device with the tag " + tag);
}

VirtioFsDevice::~VirtioFsDevice() = default;

std::string VirtioFsDevice::ask(std::string_view request) {
  State& state = *state_;
  const Page& rings = state.queues[request_queue].rings;
  std::memset(state.in.bytes(), 0, page);
  std::memcpy(state.out.bytes(), request.data(), std::min(request.size(), page));
  const std::array<Descriptor, 2> chain{
      {{state.out.physical(), static_cast<std::uint32_t>(request.size()), has_next, 1},
       {state.in.physical(), page, device_writes, 0}}};
  std::memcpy(rings.bytes(), chain.data(), sizeof chain);
  volatile auto& available = rings.at<std::uint16_t>(available_offset + 2);
  volatile auto& used = rings.at<std::uint16_t>(used_offset + 2);
  const std::uint16_t before = used;
  rings.at<std::uint16_t>(available_offset + 4 + 2 * static_cast<std::size_t>(available % ring_size)) = 0;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  available = static_cast<std::uint16_t>(available + 1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  state.reg<std::uint16_t>(common_structure, common::queue_select) = request_queue;
  const std::size_t bell =
      static_cast<std::size_t>(state.reg<std::uint16_t>(common_structure, common::queue_notify_off)) *
      state.places.at(notify_structure).multiplier;
  state.reg<std::uint16_t>(notify_structure, bell) = request_queue;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (used == before) {
    if (std::chrono::steady_clock::now() > deadline) throw Error("virtiofsd does not answer");
    usleep(500);
  }
  std::uint32_t length = 0;
  std::memcpy(&length, state.in.bytes(), sizeof length);
  return {state.in.bytes(), std::min<std::size_t>(length, page)};
}

}  // namespace agentvm::hostile
