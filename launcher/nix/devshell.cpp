// devshell.cpp - builds devShells, finds them again, lets them go.
#include "launcher/nix/devshell.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/memory_file.hpp"
#include "base/process.hpp"
#include "base/unique_fd.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/nix/build_lock.hpp"
#include "launcher/nix/dev_env.hpp"
#include "launcher/nix/flake_copy.hpp"
#include "launcher/nix/flake_files.hpp"
#include "launcher/nix/interruption.hpp"
#include "launcher/nix/nix_image.hpp"
#include "launcher/nix/nix_program.hpp"
#include "launcher/sandbox/host_proxy.hpp"
#include "launcher/sandbox/nix_sandbox.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::devshell {

namespace {

using Json = nlohmann::json;

constexpr int shell_version = 1;

/// Where everything of one devShell lies.
struct Places {
  Places(const std::string& key, const std::string& cache_dir) : own(all_of(cache_dir) + "/" + key) {}
  static std::string all_of(const std::string& cache_dir) { return cache_dir + "/devshells"; }
  std::string own;
  std::string roots() const { return own + "/roots"; }
  std::string root() const { return roots() + "/root"; }
  std::string shell() const { return own + "/shell.json"; }
  std::string log() const { return own + "/build.log"; }
};

bool leads_somewhere(const std::string& link) {
  struct stat info {};
  return stat(link.c_str(), &info) == 0;
}

std::string rendered(const DevEnv& env) {
  return Json{{"version", shell_version}, {"environment", env.environment}, {"path", env.path}, {"hook", env.hook}}
      .dump();
}

/// Our own text, but of strings that the workspace chose. nullopt: another version's, or damaged.
std::optional<vmspec::DevShell> read_shell(const std::string& text, const Places& places) {
  const Json json = Json::parse(text, nullptr, false);
  vmspec::DevShell shell;
  try {
    if (json.at("version") != shell_version) return std::nullopt;
    json.at("environment").get_to(shell.environment);
    json.at("path").get_to(shell.path);
    json.at("hook").get_to(shell.hook);
  } catch (const Json::exception&) {
    return std::nullopt;
  }
  shell.built = true;
  shell.store = image::nix_store();
  shell.gc_root = places.root();
  return shell;
}

std::optional<vmspec::DevShell> find(const Places& places) {
  const auto text = read_file_if_exists(places.shell(), max_answer);
  // Without its root its packages may be gone: a store that was cleaned by hand.
  if (!text || !leads_somewhere(places.root())) return std::nullopt;
  utimensat(AT_FDCWD, places.shell().c_str(), nullptr, 0);
  return read_shell(*text, places);
}

std::string read_back(int fd) {
  struct stat info {};
  if (fstat(fd, &info) < 0) throw system_error(errno, "reading what nix answered");
  std::string text(std::min(static_cast<std::size_t>(info.st_size), max_answer + 1), '\0');
  if (pread(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw system_error(errno, "reading what nix answered");
  }
  return text;
}

std::string ask_nix(const std::string& what, const NixSandbox& sandbox, const std::string& uuid, const std::string& log,
                    const DevShellBuildOptions& options) {
  std::map<std::string, std::string> environment = nix_sandbox_environment(sandbox);
  environment[state::instance_variable] = uuid;
  const UniqueFd settings = memory_file("nix.conf", sandbox.settings);
  const UniqueFd answer = memory_file("answer", "");
  sandbox::StartGate gate;
  std::vector<std::string> arguments = gate.arguments();
  const std::vector<std::string> inside = nix_sandbox_arguments(sandbox, settings.get());
  arguments.insert(arguments.end(), inside.begin(), inside.end());
  std::vector<int> inherit = gate.inherited();
  inherit.push_back(settings.get());
  std::optional<sandbox::HostProxy> way_out;
  const auto started = [&] {
    gate.started();
    UniqueFd words(open(log.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    way_out.emplace(std::move(gate), sandbox::HostProxyOptions{sandbox.hosts, sandbox.proxy, std::move(words)});
  };
  try {
    image::run_as_nix(what,
                      {.program = options.bubblewrap,
                       .args = std::move(arguments),
                       .environment = std::move(environment),
                       .directory = "/",
                       .stdout_fd = answer.get(),
                       .inherit = std::move(inherit),
                       .own_keyring = true},
                      log, options.progress, started);
  } catch (const Error& error) {
    const std::string_view words = error.what();
    if (words.find("'git'") == std::string_view::npos && words.find("'hg'") == std::string_view::npos) throw;
    throw Error(error.what(),
                "A devShell's inputs are fetched without Git and Mercurial: use github:, gitlab:, sourcehut: or an "
                "archive. All that Nix said: " +
                    log);
  }
  return read_back(answer.get());
}

/// The links that earlier builds have left, each of which would keep its packages.
void forget_older_roots(const std::string& roots) {
  std::string newest(PATH_MAX, '\0');
  const ssize_t size = readlink((roots + "/root").c_str(), newest.data(), newest.size());
  newest.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  for (const std::string& name : host::sorted_entries(roots)) {
    if (name != "root" && name != newest) unlink((roots + "/" + name).c_str());
  }
}

}  // namespace

std::optional<vmspec::DevShell> find_devshell(const HeldDirectory& workspace, const std::string& cache_dir) {
  return find(Places(flake_key(workspace.path(), workspace, flake_files(workspace)), cache_dir));
}

vmspec::DevShell build_devshell(const HeldDirectory& workspace, const std::string& cache_dir,
                                const DevShellBuildOptions& options) {
  try {
    remove_dead_copies(Places::all_of(cache_dir), false);
  } catch (const Error&) {
    // `agentvm gc` says it; this build has a directory of its own.
  }
  // Destroyed last: Ctrl-C ends us only when the copy is gone.
  std::optional<image::Interruption> interruption;
  const FlakeCopy copy(workspace, Places::all_of(cache_dir));
  const Places places(copy.key(), cache_dir);
  const std::string lock = places.own + "/lock";
  if (options.progress && FileLock::is_held(lock))
    options.progress("another agentvm is already building this; waiting");
  const FileLock held = image::lock_build(lock);
  if (!options.again) {
    if (auto found = find(places)) return *std::move(found);
  }
  interruption.emplace();
  NixSandbox sandbox = options.host(sandbox::GuestPlaces({workspace.path()}));
  sandbox.flake = copy.place();
  sandbox.fetched = copy.fetched();
  sandbox.roots = places.roots();
  sandbox.refresh = options.again;
  make_directories(sandbox.fetched);
  make_directories(sandbox.roots);
  write_file_atomic(places.log(), "");
  const std::string what = "the devShell of " + workspace.path() + " could not be built";
  const std::string answer = ask_nix(what, sandbox, copy.uuid(), places.log(), options);
  std::string text;
  try {
    text = rendered(parse_dev_env(answer));
  } catch (const Error& error) {
    throw error.wrap(what);
  }
  write_file_atomic(places.shell(), text);
  auto built = find(places);
  if (!built) throw Error(what + ": there is no " + places.root(), "All that Nix said: " + places.log());
  return *std::move(built);
}

std::vector<std::string> prune_devshells(const std::string& cache_dir, std::chrono::hours age, bool dry_run,
                                         const std::set<std::string>& used) {
  const std::string all = Places::all_of(cache_dir);
  const std::time_t oldest = std::time(nullptr) - std::chrono::duration_cast<std::chrono::seconds>(age).count();
  std::vector<std::string> removed = remove_dead_copies(all, dry_run);
  const auto remove = [&](const std::string& path) {
    if (dry_run || remove_tree(path).empty()) removed.push_back(path);
  };
  for (const std::string& key : host::sorted_entries(all)) {
    const std::string own = all + "/" + key;
    if (key.starts_with(unfinished) || key.starts_with(begun)) continue;
    const std::string root = own + "/roots/root";
    struct stat info {};
    // One that failed has a log, which somebody may want to read.
    const bool built = stat((own + "/shell.json").c_str(), &info) == 0;
    const bool recent = (built || lstat(own.c_str(), &info) == 0) && info.st_mtime >= oldest;
    const bool kept =
        used.contains(root) || FileLock::is_held(own + "/lock") || (recent && (!built || leads_somewhere(root)));
    if (!kept) {
      remove(own);
    } else if (!dry_run && !used.contains(root) && !FileLock::is_held(own + "/lock")) {
      // A VM that lives may be in the devShell of an earlier build.
      forget_older_roots(own + "/roots");
    }
  }
  return removed;
}

}  // namespace agentvm::devshell
