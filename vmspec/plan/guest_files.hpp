// guest_files.hpp - the files a host guest is given on top of its image: accounts, sudo, the agent's home.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::vmspec {

/// The agent's uid and gid inside, whatever the caller's are outside.
inline constexpr std::uint32_t agent_uid = 1000;
inline constexpr std::uint32_t agent_gid = 1000;

struct GuestFilesInput {
  std::string user;
  std::string hostname;
  std::string machine_id;
  std::string path;                       ///< PATH inside, free of quotes and of what a shell expands (is_plain_path)
  std::vector<std::string> mount_points;  ///< of the shares: what lies between the home and one of them is the agent's
};

/// /etc and the home of a host guest. What depends on the host's own /etc (certificates, alternatives) is the image's.
std::vector<GuestFile> guest_files(const GuestFilesInput& input);

/// The PATH of what agentvm starts where it is not the image's own (a devShell's, agent.env, --env): the guest's
/// /etc/profile, of either kind, takes it instead of its own, so that `bash -lc` finds what its caller does.
inline constexpr char login_path_variable[] = "AGENTVM_PATH";

/// Who the agent is to Git unless a repository, its own configuration or its variables say otherwise. The guest's
/// /etc/gitconfig includes it, of either kind (templates/nix/guest.nix).
inline constexpr std::string_view git_identity_file = "/run/agentvm/gitconfig";
/// What is in it, for UTF-8 text; control characters are left out. "" when there is nothing to say.
std::string git_identity_config(std::string_view name, std::string_view email);

}  // namespace agentvm::vmspec
