// nix_manifest_fuzz.cpp - any bytes as the manifest of a Nix guest: taken with every promise kept, or refused in one
// line.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "launcher/nix/nix_manifest.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agentvm;
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const image::NixManifest manifest = image::parse_nix_manifest(text);
    for (const std::string& path :
         {manifest.kernel_image, manifest.initrd, manifest.init, manifest.shell,
          manifest.store_disk.value_or(manifest.init), manifest.agent.value_or(manifest.init)}) {
      require(path.starts_with("/nix/store/") && path.find("/../") == std::string::npos, "a path outside the store",
              path);
    }
    std::size_t params = 0;
    for (const std::string& word : manifest.kernel_params) params += word.size() + 1;
    require(params <= image::max_kernel_params, "too long a command line", text);
    require(manifest.uid > 0 && manifest.gid > 0, "root", text);
  } catch (const Error& error) {
    require(std::string(error.what()).find_first_of("\n\x1b") == std::string::npos, "not one line", error.what());
  }
  return 0;
}
