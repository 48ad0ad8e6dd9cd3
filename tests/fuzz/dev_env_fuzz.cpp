// dev_env_fuzz.cpp - any bytes as the answer of nix print-dev-env: variables a program can be started with, or a
// refusal in one line.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "launcher/nix/dev_env.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agentvm;
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const devshell::DevEnv env = devshell::parse_dev_env(text);
    std::size_t total = 0;
    for (const auto& [name, value] : env.environment) {
      require(!name.empty() && name.find_first_of(std::string("=\0 \n", 4)) == std::string::npos, "a name", name);
      require(value.find('\0') == std::string::npos, "a NUL byte", name);
      require(name != "PATH" && name != "HOME" && name != "shellHook", "a variable that is not the shell's", name);
      total += name.size() + value.size() + 2;
    }
    require(total <= devshell::max_environment, "too much", text);
    require(env.path.empty() || (env.path.front() == '/' && env.path.find("::") == std::string::npos), "a PATH",
            env.path);
  } catch (const Error& error) {
    require(std::string(error.what()).find_first_of("\n\x1b") == std::string::npos, "not one line", error.what());
  }
  return 0;
}
