// mounts.cpp - reads mountinfo.
#include "launcher/state/mounts.hpp"

#include <algorithm>
#include <sstream>

#include "base/file.hpp"

namespace agentvm::state {

namespace {

/// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      int value = 0;
      for (std::size_t digit = 1; digit <= 3; ++digit) value = value * 8 + (text[i + digit] - '0');
      plain += static_cast<char>(value);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool is_below(const std::string& path, const std::string& directory) {
  return path == directory || path.rfind(directory + "/", 0) == 0;
}

}  // namespace

std::vector<std::string> mount_points(std::string_view mountinfo, const std::vector<std::string>& directories) {
  std::vector<std::string> points;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string point;
    for (int field = 0; field < 5; ++field) words >> point;  // the fifth field is the mount point
    if (!words) continue;
    point = unescape(point);
    for (const std::string& directory : directories) {
      if (!is_below(point, directory)) continue;
      points.push_back(point);
      break;
    }
  }
  // mountinfo has the order of mounting: the last mount on a point is the one on top.
  std::reverse(points.begin(), points.end());
  std::stable_sort(points.begin(), points.end(),
                   [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  return points;
}

std::vector<std::string> mounts_below(const std::vector<std::string>& directories) {
  return mount_points(read_file("/proc/self/mountinfo", std::size_t{64} << 20), directories);
}

}  // namespace agentvm::state
