// shims.hpp - what a file called codex is when it is not Codex: a version manager's shim, a package manager's script.
#pragma once

#include <string>
#include <string_view>

namespace agentvm::host {

/// Why a file is not the program, and what to do: a clause that begins with the path, and one for a hint.
struct ShimWords {
  std::string what;
  std::string hint;
};

/// `link` leads to a program of another name (`real`): mise, volta, snap and others start what is meant by the name
/// they are called by.
ShimWords linked_shim(const std::string& link, const std::string& real);

/// A native program in a directory called shims: proto's are copies of one that starts what is meant by their name.
ShimWords placed_shim(const std::string& path);

/// A script (`text` is how it begins).
ShimWords scripted_shim(const std::string& path, std::string_view text);

/// npm's launcher (.../@openai/codex/bin/codex.js) that the script of pnpm, npm or yarn in `directory` starts, read
/// out of its text without running it; "" when it names none.
std::string launcher_in_script(std::string_view text, const std::string& directory);

}  // namespace agentvm::host
