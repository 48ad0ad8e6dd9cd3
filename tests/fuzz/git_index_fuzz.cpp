// git_index_fuzz.cpp - any bytes as a Git index: paths that stay inside, none above another, or a refusal in one line.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "base/error.hpp"
#include "launcher/nix/git_index.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agentvm;
  try {
    const auto paths = devshell::parse_git_index({reinterpret_cast<const char*>(data), size});
    const std::set<std::string> known(paths.begin(), paths.end());
    for (const std::string& path : paths) {
      require(!path.empty() && path.size() <= devshell::max_path, "a length", path);
      const std::string framed = "/" + path + "/";
      for (const char* part : {"/../", "/./", "//", "/.git/"}) {
        require(framed.find(part) == std::string::npos, "a path that leads out", path);
      }
      for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        require(!known.contains(path.substr(0, slash)), "one above another", path);
      }
    }
  } catch (const Error& error) {
    require(std::string(error.what()).find_first_of("\n\x1b") == std::string::npos, "not one line", error.what());
  }
  return 0;
}
