// init.cpp - agentvm init: an agentvm.toml for a project, and an AGENTS.md when it is asked for.
#include "base/error.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/run/definition_files.hpp"
#include "launcher/run/plan.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"
#include "vmspec/embedded.hpp"
#include "vmspec/profile/toml_text.hpp"

namespace agentvm::commands {

namespace {

/// What the template stands on; it is a file that works as it is (the flake offers it as a template).
constexpr std::string_view base_line = "profile = \"default\"";

}  // namespace

int init(const InitOptions& options, const Context&) {
  if (host::real_path(options.directory).empty()) {
    throw Error("there is no directory " + options.directory, "Make it first, or name another.", ExitCode::usage);
  }
  if (options.profile.find('/') != std::string::npos) {
    throw Error("a workspace's file builds on a profile by its name, not on the file " + options.profile,
                "`agentvm profile list` has the names.", ExitCode::usage);
  }
  // A name that nobody knows would make a file that no run takes.
  load_profile(options.profile, {}, {});
  std::string text = vmspec::embedded_template("init/agentvm.toml");
  text.replace(text.find(base_line), base_line.size(), "profile = " + vmspec::toml_string(options.profile));
  std::vector<vmspec::DefinitionFile> files = {{"agentvm.toml", std::move(text)}};
  if (options.agents_md) files.push_back({"AGENTS.md", vmspec::embedded_template("init/AGENTS.md")});
  write_files(options.directory, files, options.force);
  for (const vmspec::DefinitionFile& file : files) print(options.directory + "/" + file.name + "\n");
  return 0;
}

}  // namespace agentvm::commands
