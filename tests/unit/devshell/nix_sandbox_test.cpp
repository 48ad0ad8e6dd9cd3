// nix_sandbox_test.cpp - bubblewrap's arguments around nix as a whole, for each way Nix works on a host.
#include "launcher/devshell/nix_sandbox.hpp"

#include <doctest/doctest.h>

#include "tests/unit/has.hpp"

namespace agentvm::devshell {

using test::has;

namespace {

NixSandbox some_nix_sandbox() {
  NixSandbox sandbox;
  sandbox.host.root_links = {{"/bin", "usr/bin"}};
  sandbox.host.root_directories = {"/lib"};
  sandbox.host.files = {{"/run/resolv.conf", "/etc/resolv.conf"}, {"/nix/store/c/nix.conf", "/etc/nix/nix.conf"}};
  sandbox.host.environment = {{"HTTPS_PROXY", "http://proxy:1"}};
  sandbox.nix = "/nix/store/n/bin/nix";
  sandbox.git = "/usr/bin/git";
  sandbox.workspace = "/home/me/my app";
  sandbox.git_flake = true;
  sandbox.fetched = "/home/me/.cache/agentvm/devshells/fetched";
  sandbox.roots = "/home/me/.cache/agentvm/devshells/k/roots";
  return sandbox;
}

/// A line an option.
std::string lines_of(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (word.starts_with("--") ? "\n" : " ") + word;
  return text + "\n";
}

}  // namespace

TEST_CASE("nix behind bubblewrap, asking the daemon") {
  CHECK(lines_of(nix_sandbox_arguments(some_nix_sandbox(), {7, 8})) == R"(
--unshare-pid
--unshare-ipc
--unshare-uts
--unshare-cgroup-try
--die-with-parent
--new-session
--cap-drop ALL
--unshare-user-try
--ro-bind /usr /usr
--symlink usr/bin /bin
--ro-bind /lib /lib
--proc /proc
--dev /dev
--tmpfs /tmp
--ro-bind /run/resolv.conf /etc/resolv.conf
--ro-bind /nix/store/c/nix.conf /etc/nix/nix.conf
--ro-bind /etc/passwd /etc/passwd
--ro-bind /etc/group /etc/group
--ro-bind-data 8 /etc/gitconfig
--ro-bind /nix /nix
--bind /home/me/.cache/agentvm/devshells/fetched /home/me/.cache/agentvm/devshells/fetched
--bind /home/me/.cache/agentvm/devshells/k/roots /home/me/.cache/agentvm/devshells/k/roots
--ro-bind /home/me/my app /home/me/my app
--ro-bind-data 7 /home/me/my app/.git/config
--remount-ro /
--chdir /
-- /nix/store/n/bin/nix
--extra-experimental-features nix-command flakes
--option accept-flake-config false
--option pure-eval true
--option warn-dirty false print-dev-env
--json
--no-write-lock-file
--profile /home/me/.cache/agentvm/devshells/k/roots/root git+file:///home/me/my%20app
)");
  CHECK(nix_sandbox_environment(some_nix_sandbox()) ==
        std::map<std::string, std::string>{{"HTTPS_PROXY", "http://proxy:1"},
                                           {"PATH", "/nix/store/n/bin:/usr/bin:/usr/bin:/bin"},
                                           {"HOME", "/tmp"},
                                           {"USER", "nobody"},
                                           {"TMPDIR", "/tmp"},
                                           {"LANG", "C.UTF-8"},
                                           {"XDG_CACHE_HOME", "/home/me/.cache/agentvm/devshells/fetched"},
                                           {"GIT_TERMINAL_PROMPT", "0"},
                                           {"NIX_REMOTE", "daemon"}});
}

TEST_CASE("a store of one's own is written to, and builders stay in a sandbox") {
  NixSandbox sandbox = some_nix_sandbox();
  sandbox.mode = NixMode::owner;
  const std::string own = lines_of(nix_sandbox_arguments(sandbox, {}));
  CHECK(has(own, "\n--bind /nix /nix\n"));
  CHECK(has(own, "\n--option sandbox true\n--option sandbox-fallback false"));
  CHECK_FALSE(has(own, "--cap-add"));
  CHECK_FALSE(nix_sandbox_environment(sandbox).contains("NIX_REMOTE"));
  sandbox.mode = NixMode::root_owner;
  const std::string root = lines_of(nix_sandbox_arguments(sandbox, {}));
  CHECK(has(root, "\n--bind /nix /nix\n"));
  CHECK(has(root, "--cap-add CAP_SETUID\n"));
  CHECK_FALSE(has(root, "SYS_ADMIN"));
  CHECK_FALSE(has(root, "MKNOD"));
  CHECK_FALSE(has(root, "--unshare-user"));
}

TEST_CASE("a workspace that is not Git's, and a nix that lies elsewhere") {
  NixSandbox sandbox = some_nix_sandbox();
  sandbox.git_flake = false;
  sandbox.git.clear();
  sandbox.nix = "/opt/nix/bin/nix";
  const std::string text = lines_of(nix_sandbox_arguments(sandbox, {}));
  CHECK(has(text, " path:/home/me/my%20app\n"));
  CHECK_FALSE(has(text, ".git/config"));
  CHECK(has(text, "\n--ro-bind /opt/nix/bin/nix /opt/nix/bin/nix\n"));
  CHECK(nix_sandbox_environment(sandbox).at("PATH") == "/opt/nix/bin:/usr/bin:/bin");
}

}  // namespace agentvm::devshell
