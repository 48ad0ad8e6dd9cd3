// guest_places.cpp - reads and adds to the list.
#include "launcher/state/guest_places.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::state {

namespace {

std::string list_of(const Roots& roots) {
  return roots.state + "/guest-places";
}

}  // namespace

std::vector<std::string> guest_places(const Roots& roots) {
  std::istringstream lines(read_file_if_exists(list_of(roots)).value_or(""));
  std::vector<std::string> places;
  for (std::string line; std::getline(lines, line);) {
    // "/" would forbid every program, and is no workspace.
    if (line.size() > 1 && line.front() == '/') places.push_back(line);
  }
  return places;
}

void remember_guest_place(const Roots& roots, const std::string& directory) {
  const std::vector<std::string> known = guest_places(roots);
  if (std::find(known.begin(), known.end(), directory) != known.end()) return;
  make_directories(roots.state);
  const std::string list = list_of(roots);
  // One write at the end: two runs that start together both have their line.
  const UniqueFd file(open(list.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) throw system_error(errno, "opening " + list);
  write_all(file.get(), directory + "\n", "writing " + list);
}

}  // namespace agentvm::state
