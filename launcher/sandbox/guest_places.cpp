// guest_places.cpp - see guest_places.hpp.
#include "launcher/sandbox/guest_places.hpp"

#include <algorithm>
#include <utility>

#include "vmspec/plan/paths.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::sandbox {

namespace {

template <typename Is>
const std::string* first(const std::vector<std::string>& directories, Is is) noexcept {
  const auto found = std::find_if(directories.begin(), directories.end(), is);
  return found == directories.end() ? nullptr : &*found;
}

}  // namespace

GuestPlaces::GuestPlaces(std::vector<std::string> directories) : directories_(std::move(directories)) {
  std::erase(directories_, "");
}

const std::string* GuestPlaces::holding(const std::string& path) const noexcept {
  return first(directories_, [&](const std::string& place) { return vmspec::is_within(path, place); });
}

const std::string* GuestPlaces::touching(const std::string& path) const noexcept {
  return first(directories_, [&](const std::string& place) {
    return vmspec::is_within(path, place) || vmspec::is_within(place, path);
  });
}

GuestPlaces guest_places(const vmspec::VmSpec& spec) {
  std::vector<std::string> directories = {spec.workspace};
  for (const vmspec::ShareSpec& share : spec.shares) {
    if (!share.read_only) directories.push_back(share.source);
  }
  return GuestPlaces(std::move(directories));
}

}  // namespace agentvm::sandbox
