// profile_fuzz.cpp - any text as a profile: no crash, bounded mistakes, and what is taken comes back from its
// rendering.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/fuzz/require.hpp"
#include "vmspec/plan/plan.hpp"
#include "vmspec/profile/profile.hpp"

namespace {

using agentvm::vmspec::Problem;
using agentvm::vmspec::Profile;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<Problem> problems;
  Profile profile;
  agentvm::vmspec::apply_profile(profile, {"fuzz.toml", text}, problems);
  require(problems.size() <= 101, "more mistakes than are shown", text);
  for (const Problem& problem : problems) {
    const std::string line = agentvm::vmspec::format(problem);
    require(line.find('\n') == std::string::npos && line.find('\x1b') == std::string::npos, "not one line", line);
  }
  agentvm::vmspec::check_profile(profile, problems);

  // Whatever was taken over, right or left at its default, can be written and read again.
  for (const bool origins : {false, true}) {
    const std::string shown = agentvm::vmspec::render_profile(profile, origins);
    std::vector<Problem> again_problems;
    Profile again;
    agentvm::vmspec::apply_profile(again, {"shown.toml", shown}, again_problems);
    for (const Problem& problem : again_problems) require(false, agentvm::vmspec::format(problem).c_str(), shown);
    require(again == profile, "another profile came back", shown);
  }

  // Planning takes any profile, on a host that has nothing.
  agentvm::vmspec::RunRequest request;
  request.name = "fuzz";
  request.workspace = "/w";
  request.prompt = text;
  agentvm::vmspec::needed_facts(profile, request);
  std::vector<Problem> refusals;
  const auto spec = agentvm::vmspec::make_vm_spec(profile, {}, request, refusals);
  require(!refusals.empty(), "a host without QEMU was enough", text);
  require(spec.shares.size() >= 2, "no workspace", text);
  return 0;
}
