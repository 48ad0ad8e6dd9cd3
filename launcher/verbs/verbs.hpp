// verbs.hpp - the verbs, one function and one file each. All return the exit code and throw Error.
#pragma once

#include "launcher/cli/context.hpp"
#include "launcher/cli/options.hpp"

namespace agentvm::commands {

int run(const RunOptions& options, const Context& context);
int map(const MapOptions& options, const Context& context);
int exec(const ExecOptions& options, const Context& context);
int shell(const ShellOptions& options, const Context& context);
int attach(const AttachOptions& options, const Context& context);
int list(const ListOptions& options, const Context& context);
int inspect(const InspectOptions& options, const Context& context);
int logs(const LogsOptions& options, const Context& context);
int stop(const StopOptions& options, const Context& context);
int destroy(const DestroyOptions& options, const Context& context);
int gc(const GcOptions& options, const Context& context);
int net_show(const NetShowOptions& options, const Context& context);
int pool(const PoolOptions& options, const Context& context);
int doctor(const DoctorOptions& options, const Context& context);
int profile_list(const ProfileListOptions& options, const Context& context);
int profile_show(const ProfileShowOptions& options, const Context& context);
int profile_check(const ProfileCheckOptions& options, const Context& context);
int definition(const DefinitionOptions& options, const Context& context);
int build(const BuildOptions& options, const Context& context);
int init(const InitOptions& options, const Context& context);

}  // namespace agentvm::commands
