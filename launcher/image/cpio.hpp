// cpio.hpp - writes a cpio archive as the kernel unpacks it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace agentvm::image {

/// An archive of the newc format, built in memory ("initramfs buffer format" of the kernel's documentation). Names are
/// without a leading slash; parents must be added before what is in them. Everything belongs to root.
class CpioArchive {
 public:
  void add_directory(std::string_view name, unsigned permissions);
  void add_file(std::string_view name, unsigned permissions, std::string_view content);
  void add_link(std::string_view name, std::string_view target);
  /// The finished archive; nothing may be added afterwards.
  std::string finish();

 private:
  void add(std::string_view name, std::uint32_t mode, std::string_view content);

  std::string bytes_;
  std::uint32_t inode_ = 0;
};

}  // namespace agentvm::image
