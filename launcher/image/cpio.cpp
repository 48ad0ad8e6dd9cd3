// cpio.cpp - newc headers: thirteen hexadecimal fields, then the name and the content, each padded to four bytes.
#include "launcher/image/cpio.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <iterator>

namespace agentvm::image {

void CpioArchive::add(std::string_view name, std::uint32_t mode, std::string_view content) {
  const auto pad = [this] { bytes_.append(-bytes_.size() & 3U, '\0'); };
  constexpr unsigned one_link = 1;
  fmt::format_to(std::back_inserter(bytes_),
                 "070701{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}", ++inode_, mode,
                 0, 0, one_link, 0, content.size(), 0, 0, 0, 0, name.size() + 1, 0);
  bytes_.append(name);
  bytes_ += '\0';
  pad();
  bytes_.append(content);
  pad();
}

void CpioArchive::add_directory(std::string_view name, unsigned permissions) {
  add(name, S_IFDIR | permissions, {});
}

void CpioArchive::add_file(std::string_view name, unsigned permissions, std::string_view content) {
  add(name, S_IFREG | permissions, content);
}

void CpioArchive::add_link(std::string_view name, std::string_view target) {
  add(name, S_IFLNK | 0777U, target);
}

std::string CpioArchive::finish() {
  add("TRAILER!!!", 0, {});
  return std::move(bytes_);
}

}  // namespace agentvm::image
