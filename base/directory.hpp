// directory.hpp - owns an open directory stream.
#pragma once

#include <dirent.h>

#include <memory>

namespace agentvm {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

}  // namespace agentvm
