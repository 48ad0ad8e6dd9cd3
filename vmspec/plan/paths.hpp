// paths.hpp - guest and host paths as text: their form, and which of them no guest may see.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace agentvm::vmspec {

/// "/a//b/" as "/a/b"; nullopt unless it is absolute, free of "." and ".." parts and of control characters, and at most
/// 4000 bytes. "~/x" stays relative to the home when `home_allowed`.
std::optional<std::string> normal_path(std::string_view path, bool home_allowed = false);

/// The rule that a text breaks which has no normal_path, as "must be ..."; "" when it has one.
std::string path_refusal(std::string_view path, bool home_allowed = false);

/// Whether a path can stand in PATH, in sudoers and between a shell's double quotes as it is: none of : " \ $ ` %.
bool is_plain_path(std::string_view path);

/// Whether `path` is `directory` or below it. Both normal.
bool is_within(std::string_view path, std::string_view directory);

/// "~/x" below `home`; anything else as it is.
std::string expand_home(std::string_view path, std::string_view home);

/// Why a guest may not see this host path (normal; absolute or ~/): it is, holds or lies in a place where secrets are
/// kept. nullopt: nothing is known against it. `home` may be empty; /root and /home/NAME always count as homes.
std::optional<std::string> exposure_refusal(std::string_view path, std::string_view home);

/// Why the directory of the agent's program (an absolute path, links resolved) may not be shown to a guest: as above,
/// but ~/.codex/packages/standalone, in which OpenAI's installer keeps programs and nothing else, hides no secret.
std::optional<std::string> agent_program_refusal(std::string_view program, std::string_view home);

/// Why a guest path cannot be a mount point of the workspace; nullopt when it can. `path` is normal and absolute.
std::optional<std::string> mount_refusal(std::string_view path);

}  // namespace agentvm::vmspec
