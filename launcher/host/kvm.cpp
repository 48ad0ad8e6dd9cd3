// kvm.cpp - runs a guest of five bytes.
#include "launcher/host/kvm.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

namespace agentvm::host {

namespace {

constexpr std::chrono::milliseconds probe_limit{2000};
constexpr int api_version = 12;  // KVM_GET_API_VERSION of every kernel since 2.6.22 (Documentation/virt/kvm/api.rst)

#if defined(__x86_64__)
constexpr std::uint64_t guest_address = 0x1000;
/// Real mode: mov dx, 0x3f8; mov al, 'k'; out dx, al; hlt.
constexpr std::array<unsigned char, 7> guest_code{0xba, 0xf8, 0x03, 0xb0, 'k', 0xee, 0xf4};

/// Runs the guest; true when its output and its end came as they must. Any doubt is a no.
bool run_guest(int kvm) {
  // Made here, in the process that uses it: KVM takes calls only from the address space that made the VM.
  const int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  if (vm < 0) return false;
  void* memory = mmap(nullptr, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  std::memcpy(memory, guest_code.data(), guest_code.size());
  kvm_userspace_memory_region region{};
  region.guest_phys_addr = guest_address;
  region.memory_size = 0x1000;
  region.userspace_addr = reinterpret_cast<std::uint64_t>(memory);
  if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) return false;
  const int cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  const int run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (cpu < 0 || run_size < static_cast<int>(sizeof(kvm_run))) return false;
  void* mapped = mmap(nullptr, static_cast<std::size_t>(run_size), PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
  if (mapped == MAP_FAILED) return false;
  const auto* run = static_cast<const kvm_run*>(mapped);
  kvm_sregs special{};
  if (ioctl(cpu, KVM_GET_SREGS, &special) < 0) return false;
  special.cs.base = 0;
  special.cs.selector = 0;
  if (ioctl(cpu, KVM_SET_SREGS, &special) < 0) return false;
  kvm_regs registers{};
  registers.rip = guest_address;
  registers.rflags = 2;
  if (ioctl(cpu, KVM_SET_REGS, &registers) < 0) return false;
  if (ioctl(cpu, KVM_RUN, 0) < 0 || run->exit_reason != KVM_EXIT_IO) return false;
  if (static_cast<const char*>(mapped)[run->io.data_offset] != 'k') return false;
  return ioctl(cpu, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_HLT;
}

bool has_hardware_virtualisation() {
  const std::string cpus = read_file_if_exists("/proc/cpuinfo").value_or("");
  const auto flags = cpus.find("\nflags");
  const std::string line = flags == std::string::npos ? "" : cpus.substr(flags, cpus.find('\n', flags + 1) - flags);
  return line.find(" vmx") != std::string::npos || line.find(" svm") != std::string::npos;
}
#endif

/// In a child of its own: a broken KVM may hang in KVM_RUN, where no signal of ours would be heard in time.
bool guest_runs(int kvm) {
#if defined(__x86_64__)
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    _exit(run_guest(kvm) ? 0 : 1);
  }
  if (child < 0) return false;
  ChildProcess process(child, open_pidfd(child));
  const auto status = process.wait(probe_limit);
  return status && status->signal == 0 && status->code == 0;
#else
  const UniqueFd vm(ioctl(kvm, KVM_CREATE_VM, 0));
  return vm.valid();
#endif
}

std::string open_reason(int error) {
  if (error == ENOENT) return "there is no /dev/kvm (is the kvm module loaded, and virtualisation on in the firmware?)";
  if (error == EACCES)
    return "/dev/kvm may not be opened by this user (add yourself to the group kvm and log in again)";
  return system_error(error, "opening /dev/kvm").what();
}

}  // namespace

KvmProbe probe_kvm() {
  if (const char* forced = std::getenv("AGENTVM_ACCEL"); forced != nullptr && *forced != '\0') {
    if (std::string(forced) == "kvm") return {true, {}};
    if (std::string(forced) == "tcg") return {false, "AGENTVM_ACCEL=tcg asks for emulation"};
    throw Error(std::string("AGENTVM_ACCEL is '") + forced + "'; it takes kvm or tcg", {}, ExitCode::usage);
  }
  const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm) return {false, open_reason(errno)};
#if defined(__x86_64__)
  if (!has_hardware_virtualisation()) {
    return {false, "/dev/kvm is there, but the CPU offers neither vmx nor svm, and such a KVM boots no stock kernel"};
  }
#endif
  if (ioctl(kvm.get(), KVM_GET_API_VERSION, 0) != api_version) return {false, "/dev/kvm speaks another API version"};
  if (!guest_runs(kvm.get())) return {false, "/dev/kvm is there, but a test guest did not run in it"};
  return {true, {}};
}

}  // namespace agentvm::host
