// start.cpp - from a plan to a running supervisor.
#include "launcher/run/start.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "base/wire/supervisor.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/image/host_image.hpp"
#include "launcher/state/guest_places.hpp"
#include "launcher/state/reservation.hpp"
#include "launcher/state/vm_name.hpp"
#include "launcher/terminal/log.hpp"

namespace agentvm::commands {

namespace {

/// What the supervisor and what it starts (virtiofsd, QEMU, MCP servers, TLS) look at.
constexpr std::array passed_variables{"PATH",
                                      "HOME",
                                      "USER",
                                      "LOGNAME",
                                      "LANG",
                                      "LC_ALL",
                                      "TZ",
                                      "TMPDIR",
                                      "XDG_RUNTIME_DIR",
                                      "XDG_STATE_HOME",
                                      "XDG_CACHE_HOME",
                                      "XDG_CONFIG_HOME",
                                      "http_proxy",
                                      "https_proxy",
                                      "no_proxy",
                                      "all_proxy",
                                      "HTTP_PROXY",
                                      "HTTPS_PROXY",
                                      "NO_PROXY",
                                      "ALL_PROXY",
                                      "SSL_CERT_FILE",
                                      "SSL_CERT_DIR",
                                      "NIX_SSL_CERT_FILE"};
/// What password managers need beside that, for model.key's command.
constexpr std::array key_command_variables{"DISPLAY",   "WAYLAND_DISPLAY",    "DBUS_SESSION_BUS_ADDRESS",
                                           "GNUPGHOME", "PASSWORD_STORE_DIR", "SSH_AUTH_SOCK",
                                           "GPG_TTY",   "OP_SESSION",         "BW_SESSION"};

std::map<std::string, std::string> supervisor_environment(const vmspec::VmSpec& spec) {
  std::map<std::string, std::string> environment;
  const auto pass = [&](const std::string& name) {
    if (const char* value = std::getenv(name.c_str())) environment[name] = value;
  };
  for (const char* name : passed_variables) pass(name);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (text.rfind("AGENTVM_", 0) == 0 || text.rfind("AGENTVM=", 0) == 0)
      pass(std::string(text.substr(0, text.find('='))));
  }
  if (spec.model && spec.model->key.kind == vmspec::KeySource::Kind::env) pass(spec.model->key.name);
  if (spec.model && spec.model->key.kind == vmspec::KeySource::Kind::command) {
    for (const char* name : key_command_variables) pass(name);
  }
  environment[state::instance_variable] = spec.uuid;
  return environment;
}

UniqueFd open_log(const std::string& path) {
  UniqueFd log(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) throw system_error(errno, "opening " + path);
  return log;
}

StartedVm spawn_supervisor(state::Reservation reservation, vmspec::VmSpec spec, const RunDirectories& directories) {
  const state::VmPaths& paths = reservation.paths;
  write_file_atomic(paths.spec(), vmspec::to_json(spec).dump(2) + "\n");
  const UniqueFd log = open_log(paths.log("supervisor"));
  auto [ours, theirs] = socket_pair();
  // In the order of base/wire/supervisor.hpp. The child's duplicate of the lock shares it (flock(2)), so the VM is
  // never seen without one.
  std::vector<int> numbered{theirs.get(), reservation.lock.fd()};
  static_assert(supervisor::owner_fd == 3 && supervisor::lock_fd == 4 && supervisor::first_directory_fd == 5);
  for (const HeldDirectory& share : directories.shares) numbered.push_back(share.fd());
  if (directories.report) numbered.push_back(directories.report.fd());
  ChildProcess child = spawn({.program = host::own_program("agentvm-supervisor"),
                              .args = {paths.state_dir},
                              .environment = supervisor_environment(spec),
                              .directory = "/",
                              .stdout_fd = log.get(),
                              .stderr_fd = log.get(),
                              .numbered = std::move(numbered),
                              .new_session = true,
                              .die_with_parent = false});
  UniqueFd pidfd = open_pidfd(child.pid());
  child.release();
  return {paths, std::move(spec), std::move(ours), std::move(pidfd)};
}

bool exists(const state::Roots& roots, const std::string& name) {
  const std::vector<std::string> names = state::list_vms(roots);
  return std::find(names.begin(), names.end(), name) != names.end();
}

Error in_use(const state::VmPaths& paths) {
  if (is_kept(paths)) {
    return Error("the name '" + paths.name + "' is that of a stopped VM whose logs are kept",
                 "agentvm destroy " + paths.name + " removes them; or take another name with --name.");
  }
  return Error("a VM named '" + paths.name + "' is running",
               "Take another name with --name, or end it: agentvm destroy " + paths.name);
}

}  // namespace

void sweep_dead(const state::Roots& roots) {
  for (const std::string& name : state::list_vms(roots)) {
    const state::VmPaths paths = state::vm_paths(roots, name);
    if (state::is_alive(paths) || is_kept(paths)) continue;
    const state::SweepResult result = state::sweep(paths, false);
    if (!result.removed.empty()) log_info("removed what the dead VM '" + name + "' had left");
    for (const std::string& failure : result.failed) log_warning("left over from the VM '" + name + "': " + failure);
  }
}

std::string choose_name(const state::Roots& roots, const std::string& wanted_name, const std::string& workspace) {
  if (wanted_name.empty()) {
    return state::default_name(workspace, [&](const std::string& name) { return exists(roots, name); });
  }
  state::check_name(wanted_name);
  if (exists(roots, wanted_name)) throw in_use(state::vm_paths(roots, wanted_name));
  return wanted_name;
}

StartedVm start_vm(const state::Roots& roots, const std::string& wanted_name, const RunPlan& plan) {
  for (;;) {
    const std::string name = choose_name(roots, wanted_name, plan.workspace());
    vmspec::VmSpec spec = plan.for_name(name);
    const RunDirectories directories = plan.directories(spec);
    state::check_socket_paths(state::vm_paths(roots, name));
    if (spec.image.kind == vmspec::GuestKind::host) {
      const bool vsock = spec.hypervisor == vmspec::HypervisorKind::cloud_hypervisor;
      spec.image.initramfs =
          image::build_host_initramfs({.modules = spec.image.modules,
                                       .agentvm_guest = host::own_program("agentvm-guest"),
                                       .cache_dir = roots.cache,
                                       .network = spec.egress == vmspec::Egress::nat,
                                       .links = vsock ? image::LinkDevice::vsock : image::LinkDevice::virtio_serial});
    }
    log_debug("the image is there");
    std::optional<state::Reservation> reservation = state::reserve(roots, name);
    if (!reservation) continue;  // somebody was faster: the next free name, or the message that it is in use
    const state::VmPaths paths = reservation->paths;
    try {
      state::remember_guest_place(roots, plan.workspace());
      return spawn_supervisor(std::move(*reservation), std::move(spec), directories);
    } catch (...) {
      remove_tree(paths.runtime_dir);
      remove_tree(paths.state_dir);
      throw;
    }
  }
}

}  // namespace agentvm::commands
