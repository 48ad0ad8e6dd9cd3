// memory_file.cpp - memfd_create(2).
#include "base/memory_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm {

UniqueFd memory_file(const char* name, std::string_view content) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC));
  if (!fd) throw system_error(errno, "making a file in memory");
  write_all(fd.get(), content);
  if (lseek(fd.get(), 0, SEEK_SET) < 0) throw system_error(errno, "rewinding a file in memory");
  return fd;
}

}  // namespace agentvm
