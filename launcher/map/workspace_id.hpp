// workspace_id.hpp - which directory a task works on, by what it is and not by what it is called.
#pragma once

#include <sys/types.h>

#include <utility>
#include <vector>

#include "base/held_directory.hpp"

namespace agentvm::batch {

/// A directory and those above it, each by device and inode, itself first. Ten thousand tasks cannot hold as many
/// descriptors; the numbers say the same as long as nothing is moved.
class WorkspaceId {
 public:
  WorkspaceId() = default;
  explicit WorkspaceId(const HeldDirectory& directory);

  /// Whether one of the two is the other or lies in it.
  bool overlaps(const WorkspaceId& other) const;
  /// Whether this one is the other or holds it.
  bool holds(const WorkspaceId& other) const;

 private:
  using Id = std::pair<dev_t, ino_t>;
  std::vector<Id> up_;
};

}  // namespace agentvm::batch
