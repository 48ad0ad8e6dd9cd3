// own_program.cpp - looks for the programs that come with agentvm.
#include "launcher/host/own_program.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/error.hpp"

namespace agentvm::host {

namespace {

std::string variable_of(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return name;
}

std::string directory_of(const std::string& program) {
  return program.substr(0, program.rfind('/'));
}

/// Where an installation has our programs, as seen from the directory of one of them: all of them side by side (a build
/// directory), or PREFIX/bin and PREFIX/libexec/agentvm. Nothing is compiled in, so an installation can be moved.
std::optional<std::string> find_from(const std::string& directory, const std::string& name) {
  for (const char* way : {"/", "/../libexec/agentvm/", "/../../bin/"}) {
    std::string place = directory + way + name;
    if (access(place.c_str(), R_OK | X_OK) == 0) return place;
  }
  return std::nullopt;
}

}  // namespace

std::string own_executable() {
  std::string path(PATH_MAX, '\0');
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  if (size < 0) throw system_error(errno, "reading /proc/self/exe");
  path.resize(static_cast<std::size_t>(size));
  return path;
}

std::optional<std::string> find_own_program(const std::string& name) {
  const char* given = std::getenv(variable_of(name).c_str());
  if (given != nullptr && given[0] != '\0') {
    if (given[0] == '/' && access(given, R_OK | X_OK) == 0) return given;
    return std::nullopt;
  }
  return find_from(directory_of(own_executable()), name);
}

std::optional<std::string> find_program_beside(const std::string& program, const std::string& name) {
  return find_from(directory_of(program), name);
}

std::string own_program(const std::string& name) {
  if (auto found = find_own_program(name)) return *found;
  throw Error(name + " is not part of this installation: it is neither beside " + own_executable() +
                  " nor in ../libexec/agentvm or ../../bin",
              "Install agentvm as a whole (cmake --install), or set " + variable_of(name) + " to its absolute path.",
              ExitCode::agentvm_failed);
}

}  // namespace agentvm::host
