// doctor_checks.cpp - tries what a run will use.
#include "launcher/verbs/doctor_checks.hpp"

#include <fmt/format.h>
#include <glob.h>
#include <poll.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "base/unix_socket.hpp"
#include "launcher/host/codex.hpp"
#include "launcher/host/kernels.hpp"
#include "launcher/host/kvm.hpp"
#include "launcher/host/network.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/host/programs.hpp"
#include "launcher/host/version_cache.hpp"
#include "launcher/machine/share_server.hpp"
#include "launcher/terminal/output.hpp"
#include "vmspec/plan/paths.hpp"

namespace agentvm::commands {

namespace {

constexpr std::chrono::seconds try_limit{5};
constexpr rlim_t few_descriptors = 200'000;
constexpr std::uint64_t little_space = std::uint64_t{1} << 30;

class Doctor {
 public:
  explicit Doctor(const state::Roots& roots) : roots_(roots) {}

  std::vector<Check> run() {
    kvm();
    qemu();
    libvirt();
    kernel();
    virtiofsd();
    own_programs();
    codex();
    bubblewrap();
    program("mcp-nixos", true, "the MCP server of the default profile",
            "./dev setup installs it, or: pipx install mcp-nixos");
    program("python3", false, "mcp-nixos", "apt install python3");
    program("sudo", false, "the agent becoming root inside the VM", "apt install sudo");
    program("git", false, "looking at what an agent changed", "apt install git");
    network();
    paths();
    open_files();
    space("state", roots_.state);
    space("cache", roots_.cache);
    program("nix", false, "guests of NixOS (--guest nix)", "https://nixos.org/download");
    program(
        "cloud-hypervisor", false, "VMs without QEMU, where KVM works (hypervisor = \"auto\" prefers it)",
        "A release from https://www.cloudhypervisor.org on PATH, or AGENTVM_CLOUD_HYPERVISOR set to one; NixOS has it "
        "as cloud-hypervisor.");
    return std::move(checks_);
  }

 private:
  void add(Check check) { checks_.push_back(std::move(check)); }

  /// A program that only has to be there; the path when it is.
  std::optional<std::string> program(const std::string& name, bool required, const std::string& needed,
                                     const std::string& get) {
    const auto path = host::find_tool(name, roots_.cache);
    std::string found = path.value_or(not_found(name));
    if (path) {
      const std::string version = host::version_number(host::version_line(*path, roots_.cache));
      if (!version.empty()) found += ", version " + version;
    }
    add({name, path.has_value(), required, found, needed, get});
    return path;
  }

  static std::string not_found(const std::string& name) {
    if (const auto passed_over = host::find_forbidden_tool(name)) return *passed_over;
    const std::string variable = host::tool_variable(name);
    const char* given = std::getenv(variable.c_str());
    if (given != nullptr && given[0] != '\0')
      return fmt::format("{} is set to {}, which cannot be started", variable, given);
    return "not found";
  }

  void kvm() {
    const host::KvmProbe probe = host::probe_kvm();
    add({"kvm", probe.works, false, probe.works ? "works" : probe.reason,
         "VMs at the speed of the machine; without it they are emulated",
         "On a machine of your own: turn virtualisation on in its firmware, and add yourself to the group kvm."});
  }

  void qemu() { program("qemu", true, "running VMs", "apt install qemu-system-x86"); }

  void libvirt() {
    std::string driver;
    for (const char* pattern : {"/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so",
                                "/usr/lib*/libvirt/connection-driver/libvirt_driver_qemu.so",
                                "/run/current-system/sw/lib/libvirt/connection-driver/libvirt_driver_qemu.so"}) {
      glob_t matches{};
      if (glob(pattern, 0, nullptr, &matches) == 0 && matches.gl_pathc > 0 && driver.empty())
        driver = matches.gl_pathv[0];
      globfree(&matches);
    }
    add({"libvirt's QEMU driver", !driver.empty(), true, driver.empty() ? "not found" : driver,
         "starting QEMU without a daemon (connect = \"embed\")", "apt install libvirt-daemon-driver-qemu"});
    if (geteuid() != 0) return;
    const bool user = getpwnam("libvirt-qemu") != nullptr || getpwnam("qemu") != nullptr;
    add({"user libvirt-qemu", user, true, user ? "exists" : "does not exist", "libvirt's driver when root runs it",
         "apt install libvirt-daemon-system"});
  }

  void kernel() {
    const host::KernelSearch search = host::search_kernels(roots_.cache);
    std::string found;
    if (!search.found.empty()) {
      found = search.found.front().image + ", " + search.found.front().version;
    } else {
      found = "none that can serve";
      for (const host::SkippedKernel& skipped : search.skipped) found += "; " + skipped.path + ": " + skipped.reason;
    }
    add({"kernel", !search.found.empty(), true, found, "the guest's kernel and its modules",
         "./dev setup puts one in the cache; or install a kernel package whose files you can read."});
  }

  /// Starts one on an empty directory, lets it serve nobody, and looks at how it ended.
  static std::string sandbox_failure(const std::string& virtiofsd) {
    std::string directory = "/tmp/agentvm-doctor-XXXXXX";
    if (mkdtemp(directory.data()) == nullptr) return system_error(errno, "making a directory in /tmp").what();
    std::string failure;
    try {
      make_directories(directory + "/share");
      workspace::ShareServer server(
          {.share = {.tag = "doctor", .source = directory + "/share", .mount_point = "/mnt"},
           .directory = HeldDirectory::resolve(directory + "/share"),
           .virtiofsd = virtiofsd,
           .mount_place = directory + "/place",
           .socket = directory + "/socket",
           .log = directory + "/log",
           .instance = "doctor",
           .identity = {
               .caller_uid = geteuid(), .caller_gid = getegid(), .owner_uid = geteuid(), .owner_gid = getegid()}});
      // It accepts only from inside its sandbox, and ends when its one client goes.
      connect_unix(directory + "/socket").reset();
      pollfd item{server.pidfd(), POLLIN, 0};
      if (poll(&item, 1, std::chrono::milliseconds(try_limit).count()) <= 0) failure = "it did not answer";
      const std::string log = read_file_if_exists(directory + "/log").value_or("");
      if (log.find("rror") != std::string::npos && log.find("andbox") != std::string::npos)
        failure = last_lines(log, 1);
    } catch (const Error& error) {
      failure = error.what();
    }
    remove_tree(directory);
    while (!failure.empty() && failure.back() == '\n') failure.pop_back();
    return failure;
  }

  void virtiofsd() {
    const std::string version = "1.13 or newer, the Rust one";
    const auto path =
        program("virtiofsd", true, "sharing directories with the guest (" + version + ")",
                "./dev setup builds it, or: cargo install virtiofsd; distributions call it virtiofsd too");
    if (!path) return;
    const std::string failure = sandbox_failure(*path);
    add({"virtiofsd's sandbox", failure.empty(), true, failure.empty() ? "starts" : failure,
         "keeping a hostile guest inside its directories; it is never left out",
         "Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 (and "
         "kernel.apparmor_restrict_unprivileged_userns=0 where that exists)."});
  }

  /// The installation: every program of ours, and the way back from the supervisor, which starts `agentvm gc`.
  void own_programs() {
    constexpr char whole[] = "Install agentvm as a whole: cmake --install, or ./dev build in a checkout.";
    const auto look = [&](const char* name, const char* purpose) {
      const auto path = host::find_own_program(name);
      add({name, path.has_value(), true, path.value_or("not found"), purpose, whole});
    };
    for (const char* name : {"agentvm-supervisor", "agentvm-reaper", "agentvm-guest"}) look(name, "every run");
    for (const char* name : {"agentvm-poold", "agentvm-keeper"}) look(name, "pools of warm VMs");
    const auto supervisor = host::find_own_program("agentvm-supervisor");
    if (!supervisor) return;
    const bool set = std::getenv("AGENTVM") != nullptr;
    const auto back = set ? host::find_own_program("agentvm") : host::find_program_beside(*supervisor, "agentvm");
    add({"agentvm", back.has_value(), true, back.value_or("not found from " + *supervisor),
         "cleaning up after a VM whose supervisor was killed", whole});
  }

  void codex() {
    const vmspec::AgentProgram codex = host::find_codex("auto", roots_.cache);
    std::string found = codex.path;
    std::string get = "./dev setup installs it, or: npm install -g @openai/codex";
    if (!codex.version.empty()) found += ", version " + codex.version;
    if (!codex.obstacle.empty()) found += (found.empty() ? "" : "; ") + codex.obstacle;
    if (!codex.hint.empty()) get += "; or " + codex.hint;
    // What a run would say of it.
    const auto refusal =
        codex.path.empty() ? std::nullopt : vmspec::agent_program_refusal(codex.path, host::home_directory());
    if (refusal) {
      found += "; its directory must not be shown to a guest: " + *refusal;
      get = "put it into a directory of its own, or under /usr";
    }
    if (found.empty()) found = not_found("codex");
    add({"codex", !codex.path.empty() && !refusal, true, found, "the agent of the default profile", get});
  }

  void bubblewrap() {
    const auto path = program("bwrap", true, "MCP servers without your files", "apt install bubblewrap");
    if (!path) return;
    std::string failure;
    try {
      const Output output = run_captured({.program = *path,
                                          .args = {"--ro-bind", "/", "/", "--unshare-user-try", "--unshare-pid",
                                                   "--unshare-ipc", "--die-with-parent", "/bin/true"}},
                                         try_limit, 4096);
      if (output.timed_out) failure = "it did not end";
      if (output.status.shell_code() != 0) failure = last_lines(output.err, 1);
    } catch (const Error& error) {
      failure = error.what();
    }
    while (!failure.empty() && failure.back() == '\n') failure.pop_back();
    add({"bwrap's sandbox", failure.empty(), true, failure.empty() ? "starts" : failure,
         "MCP servers without your files", "Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1"});
  }

  /// netd tells what stands against a network: it may look at the firewall, and we need not be able to.
  void network() {
    constexpr char purpose[] = "VMs with a network card (--egress nat)";
    const network::NetdAccess netd = host::netd_here();
    if (const auto obstacle = network::lease_obstacle(netd)) {
      add({"agentvm-netd", false, false, obstacle->what(), purpose, obstacle->hint()});
      return;
    }
    std::vector<std::string> obstacles;
    try {
      if (access(netd.socket().c_str(), F_OK) == 0) {
        obstacles = network::network_info(netd).notes;
        add({"agentvm-netd", true, false, netd.socket(), purpose, ""});
      } else {
        const Output checked = run_captured({.program = netd.program, .args = {"--check"}}, try_limit);
        add({"agentvm-netd", true, false, netd.program + ", started by root when needed", purpose, ""});
        if (checked.status.shell_code() != 0) obstacles.push_back(last_lines(checked.out + checked.err, 1));
      }
    } catch (const Error& error) {
      obstacles.emplace_back(error.what());
    }
    for (const std::string& obstacle : obstacles) {
      add({"network", false, false, obstacle, purpose, "More is said by: sudo " + netd.program + " --check"});
    }
  }

  void paths() {
    const std::string longest(41, 'n');
    std::string problem;
    try {
      state::check_socket_paths(state::vm_paths(roots_, longest));
    } catch (const Error& error) {
      problem = error.what();
    }
    add({"runtime directory", problem.empty(), false,
         problem.empty() ? roots_.runtime : roots_.runtime + " is too long for VMs with long names",
         "the sockets of a VM", "Set XDG_RUNTIME_DIR to a shorter directory."});
  }

  /// virtiofsd raises its own limit to the hard one, and holds a descriptor for every file the guest has looked at.
  void open_files() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const bool endless = limit.rlim_max == RLIM_INFINITY;
    add({"open files", endless || limit.rlim_max >= few_descriptors, false,
         endless ? "no hard limit" : fmt::format("a hard limit of {}", limit.rlim_max),
         "shares: virtiofsd holds a descriptor for each file the guest has looked at (find /usr looks at them all)",
         "Raise it before agentvm is started: ulimit -Hn 1048576 as root, or limits.conf, or LimitNOFILE= of a unit."});
  }

  void space(const std::string& what, const std::string& directory) {
    std::string existing = directory;
    struct statvfs info {};
    while (statvfs(existing.c_str(), &info) < 0 && existing.size() > 1) {
      existing.resize(std::max<std::size_t>(existing.rfind('/'), 1));
    }
    const std::uint64_t free = std::uint64_t{info.f_bavail} * info.f_frsize;
    add({what + " directory", free >= little_space, false,
         fmt::format("{}, {} free", directory, human_bytes(free >> 20 << 20)), "logs and images",
         "Free at least 1 GiB there, or set XDG_STATE_HOME and XDG_CACHE_HOME."});
  }

  const state::Roots& roots_;
  std::vector<Check> checks_;
};

}  // namespace

std::vector<Check> run_checks(const state::Roots& roots) {
  return Doctor(roots).run();
}

}  // namespace agentvm::commands
