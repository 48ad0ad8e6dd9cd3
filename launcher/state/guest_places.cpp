// guest_places.cpp - reads and makes the links.
#include "launcher/state/guest_places.hpp"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/directory.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::state {

namespace {

std::string places_of(const Roots& roots) {
  return roots.state + "/guest-places";
}

}  // namespace

std::vector<std::string> guest_places(const Roots& roots) {
  const std::string directory = places_of(roots);
  const Directory open(opendir(directory.c_str()));
  if (!open) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    throw system_error(errno, "reading " + directory);
  }
  std::vector<std::string> places;
  std::string target(PATH_MAX, '\0');
  while (const dirent* entry = readdir(open.get())) {
    const ssize_t size = readlinkat(dirfd(open.get()), entry->d_name, target.data(), target.size());
    // "/" would forbid every program, and is no workspace.
    if (size > 1 && target.front() == '/') places.emplace_back(target, 0, static_cast<std::size_t>(size));
  }
  return places;
}

void remember_guest_place(const Roots& roots, const std::string& directory) {
  const std::vector<std::string> known = guest_places(roots);
  if (std::find(known.begin(), known.end(), directory) != known.end()) return;
  make_directories(places_of(roots));
  for (std::size_t number = known.size();; ++number) {
    const std::string link = places_of(roots) + "/" + std::to_string(number);
    if (symlink(directory.c_str(), link.c_str()) == 0) return;
    if (errno != EEXIST) throw system_error(errno, "making " + link);
  }
}

}  // namespace agentvm::state
