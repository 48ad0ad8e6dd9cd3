// embedded.hpp - the text files of templates/ that are compiled in.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace agentvm::vmspec {

/// By name below templates/: "profiles/rust.toml", "AGENTS.md", "codex/config.toml". Defined by a generated file.
const std::map<std::string, std::string, std::less<>>& embedded_templates();

/// One of them; throws Error when there is none of that name.
const std::string& embedded_template(std::string_view name);

}  // namespace agentvm::vmspec
