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
#include "launcher/claim/claim.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/image/host_image.hpp"
#include "launcher/state/guest_places.hpp"
#include "launcher/state/reservation.hpp"
#include "launcher/state/vm_name.hpp"
#include "launcher/terminal/log.hpp"
#include "vmspec/plan/pooled.hpp"

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

/// What came from files and variables may hold any bytes; a plan is text, and never another one than was meant.
std::string plan_document(const vmspec::VmSpec& spec) {
  try {
    return vmspec::to_json(spec).dump(2);
  } catch (const nlohmann::json::exception&) {
    throw Error("a path, variable or argument of this run is not UTF-8 text",
                "agentvm run --dry-run --json shows it: the wrong bytes are replaced there.", ExitCode::usage);
  }
}

/// One VM of the pool for a plan. nullopt: it is to boot its own, and why is said.
std::optional<pool::Claiming> claim_for(const vmspec::VmSpec& spec, const std::string& pool,
                                        const state::Roots& roots) {
  if (spec.egress == vmspec::Egress::nat) {
    log_warning("a VM of the pool " + pool + " has no network card and this run wants one, so a VM is booted; " +
                "--egress none takes one of the pool");
    return std::nullopt;
  }
  pool::Claiming claiming =
      pool::claim_vm(pool::pool_socket(roots), {pool, vmspec::shape_of(spec), vmspec::shares_of_run(spec)});
  if (claiming.refusal.empty()) return claiming;
  log_warning("the pool " + pool + " gave no VM, so one is booted: " + claiming.refusal);
  return std::nullopt;
}

StartedVm spawn_supervisor(state::Reservation reservation, vmspec::VmSpec spec, const RunDirectories& directories,
                           const pool::ClaimedVm* claimed) {
  const state::VmPaths& paths = reservation.paths;
  write_file_atomic(paths.spec(), plan_document(spec) + "\n");
  const UniqueFd log = open_log(paths.log("supervisor"));
  auto [ours, theirs] = socket_pair();
  // In the order of base/wire/supervisor.hpp. The child's duplicate of the lock shares it (flock(2)), so the VM is
  // never seen without one.
  std::vector<int> numbered{theirs.get(), reservation.lock.fd()};
  static_assert(supervisor::owner_fd == 3 && supervisor::lock_fd == 4 && supervisor::first_directory_fd == 5);
  for (const HeldDirectory& share : directories.shares) numbered.push_back(share.fd());
  if (directories.report) numbered.push_back(directories.report.fd());
  if (claimed != nullptr) {
    for (const int fd : pool::descriptors_of(*claimed)) numbered.push_back(fd);
  }
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
    return Error("the name '" + paths.name + "' belongs to a stopped VM whose logs are kept",
                 "Remove them with agentvm destroy " + paths.name + ", or choose another name with --name.");
  }
  return Error("a VM named '" + paths.name + "' is running",
               "Choose another name with --name, or end that VM: agentvm destroy " + paths.name);
}

}  // namespace

void add_initramfs(vmspec::VmSpec& spec, const state::Roots& roots, bool network) {
  if (spec.image.kind != vmspec::GuestKind::host) return;
  const bool vsock = spec.hypervisor == vmspec::HypervisorKind::cloud_hypervisor;
  spec.image.initramfs = image::build_host_initramfs(
      {.modules = spec.image.modules,
       .agentvm_guest = host::own_program("agentvm-guest"),
       .cache_dir = roots.cache,
       .devices = {.links = vsock ? image::LinkDevice::vsock : image::LinkDevice::virtio_serial,
                   .network = network,
                   .balloon = spec.gives_memory_back}});
}

void sweep_dead(const state::Roots& roots) {
  for (const std::string& name : state::list_vms(roots)) {
    const state::VmPaths paths = state::vm_paths(roots, name);
    if (state::is_alive(paths) || is_kept(paths)) continue;
    const state::SweepResult result = state::sweep(paths, false);
    if (!result.removed.empty()) log_info("removed what the dead VM '" + name + "' had left behind");
    for (const std::string& failure : result.failed)
      log_warning("could not remove what the VM '" + name + "' left behind: " + failure);
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
  std::optional<pool::Claiming> claimed;
  bool asked = false;
  for (;;) {
    const std::string name = choose_name(roots, wanted_name, plan.workspace());
    vmspec::VmSpec spec = plan.for_name(name);
    const RunDirectories directories = plan.directories(spec);
    state::check_socket_paths(state::vm_paths(roots, name));
    if (!plan.pool().empty() && !std::exchange(asked, true)) claimed = claim_for(spec, plan.pool(), roots);
    if (claimed) {
      vmspec::move_into(spec, plan.pool(), claimed->spec, claimed->vm.shared);
    } else {
      add_initramfs(spec, roots, spec.egress == vmspec::Egress::nat);
    }
    log_debug(claimed ? "a VM is claimed" : "the image is ready");
    std::optional<state::Reservation> reservation = state::reserve(roots, name);
    if (!reservation) continue;  // somebody was faster: the next free name, or the message that it is in use
    const state::VmPaths paths = reservation->paths;
    try {
      state::remember_guest_place(roots, plan.workspace());
      return spawn_supervisor(std::move(*reservation), std::move(spec), directories, claimed ? &claimed->vm : nullptr);
    } catch (...) {
      remove_tree(paths.runtime_dir);
      remove_tree(paths.state_dir);
      throw;
    }
  }
}

}  // namespace agentvm::commands
