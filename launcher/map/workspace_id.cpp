// workspace_id.cpp - walks up from a directory.
#include "launcher/map/workspace_id.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace agentvm::batch {

namespace {

/// Deeper than any path can be (PATH_MAX).
constexpr int deepest = 2048;

}  // namespace

WorkspaceId::WorkspaceId(const HeldDirectory& directory) {
  std::optional<HeldDirectory> at = directory;
  for (int step = 0; at && step < deepest; ++step) {
    struct stat info {};
    if (fstat(at->fd(), &info) < 0) throw system_error(errno, "looking at " + at->path());
    up_.emplace_back(info.st_dev, info.st_ino);
    at = at->parent();
  }
}

bool WorkspaceId::holds(const WorkspaceId& other) const {
  return !up_.empty() && std::find(other.up_.begin(), other.up_.end(), up_.front()) != other.up_.end();
}

bool WorkspaceId::overlaps(const WorkspaceId& other) const {
  return holds(other) || other.holds(*this);
}

}  // namespace agentvm::batch
