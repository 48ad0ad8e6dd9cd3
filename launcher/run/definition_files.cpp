// definition_files.cpp - reads what a definition needs, and writes files for a user.
#include "launcher/run/definition_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/held_directory.hpp"
#include "base/startable.hpp"
#include "base/unique_fd.hpp"
#include "launcher/host/kvm.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/host/path_facts.hpp"

namespace agentvm::commands {

namespace {

/// Nix's word for this machine: "x86_64-linux".
std::string nix_system() {
  utsname system{};
  uname(&system);
  return std::string(system.machine) + "-linux";
}

std::string agentvm_flake() {
  const char* given = std::getenv("AGENTVM_FLAKE");
  if (given != nullptr && given[0] != '\0') return given;
  // An installation has the guest's side with it, and may outlive the checkout that it was built in.
  const std::string program = host::own_executable();
  const std::string prefix = program.substr(0, program.rfind("/bin/"));
  const std::string installed = prefix + "/share/agentvm/flake";
  if (access((installed + "/flake.nix").c_str(), R_OK) == 0) return "path:" + installed;
  return AGENTVM_FLAKE;
}

/// Regular files only, opened without waiting for a FIFO's writer.
std::string read_module(const std::string& path) {
  const auto refuse = [&path](const std::string& why) {
    return Error("guest.modules: cannot copy " + path + " into the definition: " + why,
                 "A module is a single file with a NixOS module in it.", ExitCode::usage);
  };
  const std::string whole = host::expand_home(path);
  if (const auto place = place_of_others(whole)) throw refuse("a guest may write in " + *place);
  const UniqueFd fd(open(whole.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) throw refuse(system_error(errno, "opening it").what());
  struct stat info {};
  if (fstat(fd.get(), &info) < 0) throw refuse(system_error(errno, "looking at it").what());
  if (!S_ISREG(info.st_mode)) throw refuse("it is not a regular file");
  if (info.st_size > static_cast<off_t>(max_module_bytes)) throw refuse("it is larger than 1 MiB");
  return read_file("/proc/self/fd/" + std::to_string(fd.get()), max_module_bytes);
}

}  // namespace

vmspec::Definition make_definition(const vmspec::Profile& profile) {
  vmspec::DefinitionInput input{.system = nix_system(), .agentvm_flake = agentvm_flake()};
  for (const std::string& path : profile.guest.modules) input.modules.push_back({path, read_module(path)});
  return vmspec::render_definition(profile, input);
}

vmspec::Definition make_image_definition(const vmspec::Profile& profile) {
  return make_definition(vmspec::shared_profile(profile, !host::probe_kvm().works));
}

void write_files(const std::string& directory, const std::vector<vmspec::DefinitionFile>& files, bool force) {
  make_directories(directory, 0755);
  const HeldDirectory held = HeldDirectory::resolve(directory);
  for (const vmspec::DefinitionFile& file : files) {
    struct stat info {};
    // What is there is compared, never followed out of the directory.
    const UniqueFd fd = held.open(file.name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (force || (!fd && (errno == ENOENT || errno == ENOTDIR) && !held.link_target(file.name))) continue;
    const bool same = fd && fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) &&
                      info.st_size == static_cast<off_t>(file.content.size()) &&
                      read_file("/proc/self/fd/" + std::to_string(fd.get())) == file.content;
    if (!same) {
      throw Error(directory + "/" + file.name + " exists and differs", "Overwrite it with --force.", ExitCode::usage);
    }
  }
  for (const vmspec::DefinitionFile& file : files) {
    held.make_parent_of(file.name, 0755).write_file(file.name.substr(file.name.rfind('/') + 1), file.content, 0644);
  }
}

}  // namespace agentvm::commands
