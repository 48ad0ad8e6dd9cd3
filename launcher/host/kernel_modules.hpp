// kernel_modules.hpp - which modules a guest needs, in the order to load them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace agentvm::image {

/// What the guest's links go over, which decides about a driver or two.
enum class LinkDevice { virtio_serial, vsock };

/// What of a guest's devices not every guest has.
struct GuestDevices {
  LinkDevice links = LinkDevice::virtio_serial;
  bool network = false;  ///< a card, which may also be plugged in later
  bool balloon = false;  ///< by which it gives the host its free pages back
};

/// The files, relative to `directory` (lib/modules/VERSION), of the modules a guest of ours needs and of all they
/// depend on, dependencies first; what is built into the kernel is left out. Modules are found by modules.order and
/// modules.builtin, which every kernel package brings, and by modules.dep where depmod(8) has written one. Throws Error
/// naming the module when one that no guest can do without is neither, or when what it depends on cannot be told.
std::vector<std::string> needed_modules(const std::string& directory, const GuestDevices& devices = {});

/// The files in a kernel's directory of modules that change whenever its modules do; some may be missing.
std::vector<std::string> module_index_files(const std::string& directory);

/// The name of a module that no guest of QEMU's can do without and that this kernel lacks, "" when it has them all.
/// Looks names up only. Throws Error when the directory cannot be read.
std::string missing_module(const std::string& directory);

/// What a module itself says it depends on ("depends=" of its .modinfo section), names with _. Empty for none.
std::vector<std::string> module_dependencies(std::string_view module);

/// A module without the signature appended to it (Documentation/admin-guide/module-signing.rst); as it is when it has
/// none. Checking one takes an emulated CPU 10 ms, and the initramfs it comes from is not signed either.
std::string_view without_signature(std::string_view module) noexcept;

/// Whether the kernel's configuration, boot/config-VERSION beside lib/modules/VERSION, says that it loads modules
/// without a signature. False when there is none to read.
bool takes_unsigned_modules(const std::string& directory);

}  // namespace agentvm::image
