// guest_places.hpp - the directories of the host that a guest may write, and what therefore may not be started there.
//
// Pure: text in, an answer out. Whoever asks gives real paths, and every link that was passed on the way to one.
#pragma once

#include <string>
#include <vector>

namespace agentvm::vmspec {
struct VmSpec;
}

namespace agentvm::sandbox {

/// There is no default one: an empty list has to be said.
class GuestPlaces {
 public:
  /// Absolute paths without a final slash, links resolved; "" is left out.
  explicit GuestPlaces(std::vector<std::string> directories);

  /// The place that `path` is or lies in: a guest may put something else there. nullptr: none.
  const std::string* holding(const std::string& path) const noexcept;
  /// As holding(), or the place that lies in `path`: a guest may write something below it.
  const std::string* touching(const std::string& path) const noexcept;

 private:
  std::vector<std::string> directories_;
};

/// What this VM's guest may write, or its next one: the workspace, and every share that is not read-only.
GuestPlaces guest_places(const vmspec::VmSpec& spec);

}  // namespace agentvm::sandbox
