// devshell.cpp - what the workspace's own devShell adds to a plan: its packages, its variables, its hook.
#include "vmspec/plan/devshell.hpp"
#include "vmspec/plan/planner.hpp"

namespace agentvm::vmspec {

namespace {

/// The devShell's may be another one; any other variable of the guest's own is left as it is, the model's way above
/// all.
constexpr char locale_variable[] = "LANG";

/// A hook that ends the shell, or becomes another (`exec zsh` is what people have in theirs), would end the run as if
/// the agent had worked.
constexpr char entering_script[] = R"(exec() { echo "agentvm: the devShell's hook calls exec, which is left out" >&2; }
trap 'echo "agentvm: the devShell'\''s hook ended before the agent was started" >&2; exit 125' EXIT
eval "$shellHook" >&2 </dev/null
trap - EXIT
unset -f exec
export AGENTVM_PATH="$PATH"
exec "$@")";

}  // namespace

std::vector<std::string> entering_devshell(const std::vector<std::string>& argv) {
  std::vector<std::string> out = {"bash", "-c", entering_script, "devshell"};
  out.insert(out.end(), argv.begin(), argv.end());
  return out;
}

void Planner::devshell() {
  if (!profile_.guest.devshell) return;
  if (!facts_.devshell) {
    refuse("guest.devshell", facts_.devshell_refusal.reason, facts_.devshell_refusal.hint, ExitCode::cannot_start);
    return;
  }
  const DevShell& shell = *facts_.devshell;
  if (nix() == nullptr) {
    add_share({.tag = store_tag, .source = shell.store, .mount_point = "/nix/store"});
  } else if (profile_.store.share == StoreShare::closure || !nix()->store_disk.empty()) {
    refuse("store.share", "\"closure\" leaves the packages of guest.devshell out", "use \"host\"");
  }
  spec_.image.devshell_root = shell.gc_root;
  note(shell.built ? "The agent works in the workspace's devShell."
                   : "The agent works in the workspace's devShell, which Nix has to build first.");
}

/// Whether a hook is to be run before the agent.
bool Planner::has_hook() const {
  return profile_.guest.devshell && facts_.devshell && !facts_.devshell->hook.empty();
}

void Planner::add_devshell(std::map<std::string, std::string>& environment) const {
  if (!profile_.guest.devshell || !facts_.devshell) return;
  const DevShell& shell = *facts_.devshell;
  for (const auto& [name, value] : shell.environment) {
    if (name == locale_variable) environment.erase(name);
    environment.emplace(name, value);
  }
  if (!shell.path.empty()) environment["PATH"] = shell.path + ":" + spec_.image.path;
  if (has_hook()) environment["shellHook"] = shell.hook;
}

}  // namespace agentvm::vmspec
