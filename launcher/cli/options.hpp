// options.hpp - what was asked for on the command line, one plain struct per verb. launcher/cli fills them in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace agentvm::commands {

/// What every verb has.
struct GlobalOptions {
  int verbosity = 0;      ///< -v, counted
  bool no_color = false;  ///< --no-color; colour is for terminals only anyway
};

/// A profile key set by a flag, in the order of the command line.
struct Override {
  std::string flag;  ///< as written, "--memory"; shown in problems
  std::string key;   ///< dotted; a list's flag has KEY.add
  std::vector<std::string> values;
  bool operator==(const Override&) const = default;
};

struct RunOptions {
  std::string workspace = ".";
  std::string profile;  ///< "": what the workspace's agentvm.toml names, else default
  std::string name;     ///< "": made from the workspace's
  std::optional<std::string> prompt;
  std::string prompt_file;             ///< "-": stdin
  bool command = false;                ///< --command: `arguments` are run instead of the agent
  std::vector<std::string> arguments;  ///< after "--"
  bool detach = false;
  bool keep = false;
  bool json = false;
  bool dry_run = false;
  bool trust_workspace = false;      ///< files of the workspace may do more than narrow
  std::int64_t boot_timeout_ms = 0;  ///< 0: what suits the guest
  std::optional<bool> tty;           ///< -t, --no-tty; nullopt: when stdin and stdout are terminals
  std::string report_file;
  std::vector<Override> overrides;
};

struct MapOptions {
  std::string tasks;             ///< the tasks file
  std::optional<unsigned> jobs;  ///< nullopt: what this machine has room for; with Slurm: what it has
  std::string results;           ///< "": beside the tasks file
  std::string logs;              ///< a directory; "": none are kept
  unsigned retries = 1;
  bool retry_failed = false;
  bool resume = false;
  bool json = false;
  bool slurm = false;
  std::vector<std::string> sbatch_options;
  std::optional<unsigned> one;  ///< what a job of a scheduler calls: the task of this line, its result in a directory
  RunOptions run;               ///< what every task's run gets: profile, overrides, boot timeout, trust
};

struct ExecOptions {
  std::string name;
  std::vector<std::string> command;
  bool tty = false;
  bool interactive = false;              ///< -i, for the fingers of docker's users: stdin is always passed on
  std::string user;                      ///< "": the agent's; "root" or UID
  std::string directory;                 ///< "": the workspace
  std::vector<std::string> environment;  ///< NAME=VALUE, or NAME for our own value
};

struct ShellOptions {
  std::string name;  ///< "": the VM of the current directory, or the only one
  bool root = false;
};

struct AttachOptions {
  std::string name;
};

struct ListOptions {
  bool json = false;
  bool quiet = false;  ///< names only
};

struct InspectOptions {
  std::string name;
};

struct LogsOptions {
  std::string name;
  std::string source = "agent";
  bool follow = false;
};

struct StopOptions {
  std::string name;
  unsigned deadline_seconds = 10;
};

struct DestroyOptions {
  std::vector<std::string> names;
  bool all = false;
};

struct GcOptions {
  bool dry_run = false;
  bool quiet = false;
  std::string vm;  ///< only this one; what the reaper asks for
};

struct NetShowOptions {
  bool json = false;
};

/// Of `agentvm pool` and what follows it.
struct PoolOptions {
  enum class Act { status, drain, resize, serve } act = Act::status;
  std::string pool;
  unsigned size = 0;
  std::string config;
  std::string metrics;
  bool cgroup = false;
  bool json = false;
};

struct DoctorOptions {
  bool json = false;
};

struct ProfileListOptions {
  bool json = false;
  bool quiet = false;
};

struct ProfileShowOptions {
  std::string name;
  bool origins = false;
  std::vector<Override> overrides;
};

struct ProfileCheckOptions {
  std::vector<std::string> names;
  bool trust_workspace = false;
};

struct DefinitionOptions {
  std::string profile;  ///< "": what `agentvm run` would take here
  std::string output;   ///< a directory; "": print
  bool json = false;
  bool force = false;  ///< write over what is there
  bool trust_workspace = false;
  std::vector<Override> overrides;
};

struct BuildOptions {
  std::string profile;  ///< "": what `agentvm run` would take here
  bool update = false;  ///< lock the inputs anew
  bool quiet = false;   ///< do not show what Nix says
  bool trust_workspace = false;
  std::vector<Override> overrides;
};

struct InitOptions {
  std::string directory = ".";
  std::string profile = "default";
  bool agents_md = false;
  bool force = false;
};

/// Text that is printed and nothing else: --help, --version, completion scripts.
struct PrintText {
  std::string text;
};

using Verb = std::variant<PrintText, RunOptions, MapOptions, ExecOptions, ShellOptions, AttachOptions, ListOptions,
                          InspectOptions, LogsOptions, StopOptions, DestroyOptions, GcOptions, NetShowOptions,
                          PoolOptions, DoctorOptions, ProfileListOptions, ProfileShowOptions, ProfileCheckOptions,
                          DefinitionOptions, BuildOptions, InitOptions>;

struct Invocation {
  GlobalOptions global;
  Verb verb;
};

}  // namespace agentvm::commands
