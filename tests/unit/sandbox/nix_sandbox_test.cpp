// nix_sandbox_test.cpp - bubblewrap's arguments around nix as a whole, for each way Nix works on a host.
#include "launcher/sandbox/nix_sandbox.hpp"

#include <doctest/doctest.h>

#include "tests/unit/has.hpp"

namespace agentvm::devshell {

using test::has;

namespace {

NixSandbox some_nix_sandbox() {
  NixSandbox sandbox;
  sandbox.host.root_links = {{"/bin", "usr/bin"}};
  sandbox.host.root_directories = {"/lib"};
  sandbox.host.files = {{"/run/resolv.conf", "/etc/resolv.conf"}};
  sandbox.host.environment = {{"HTTPS_PROXY", "http://proxy:1"}};
  sandbox.nix = "/nix/store/n/bin/nix";
  sandbox.flake = "/home/me/.cache/agentvm/devshells/unfinished.x/flake";
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

TEST_CASE("nix behind bubblewrap asking the daemon") {
  CHECK(lines_of(nix_sandbox_arguments(some_nix_sandbox(), 7)) == R"(
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
--dir /etc
--dir /etc/nix
--ro-bind /run/resolv.conf /etc/resolv.conf
--ro-bind /etc/passwd /etc/passwd
--ro-bind /etc/group /etc/group
--ro-bind-data 7 /etc/nix/nix.conf
--ro-bind /nix /nix
--bind /home/me/.cache/agentvm/devshells/fetched /home/me/.cache/agentvm/devshells/fetched
--bind /home/me/.cache/agentvm/devshells/k/roots /home/me/.cache/agentvm/devshells/k/roots
--ro-bind /home/me/.cache/agentvm/devshells/unfinished.x/flake /flake
--remount-ro /
--chdir /
-- /nix/store/n/bin/nix
--extra-experimental-features nix-command flakes
--option accept-flake-config false
--option pure-eval true print-dev-env
--json
--print-build-logs
--no-write-lock-file
--profile /home/me/.cache/agentvm/devshells/k/roots/root path:/flake
)");
  CHECK(nix_sandbox_environment(some_nix_sandbox()) ==
        std::map<std::string, std::string>{{"HTTPS_PROXY", "http://proxy:1"},
                                           {"PATH", "/var/empty"},
                                           {"HOME", "/tmp"},
                                           {"USER", "nobody"},
                                           {"TMPDIR", "/tmp"},
                                           {"LANG", "C.UTF-8"},
                                           {"XDG_CACHE_HOME", "/home/me/.cache/agentvm/devshells/fetched"},
                                           {"NIX_REMOTE", "daemon"}});
}

TEST_CASE("a store of one's own is written to and builders stay in a sandbox") {
  NixSandbox sandbox = some_nix_sandbox();
  sandbox.mode = NixMode::owner;
  sandbox.refresh = true;
  const std::string own = lines_of(nix_sandbox_arguments(sandbox, 7));
  CHECK(has(own, "\n--bind /nix /nix\n"));
  CHECK(has(own, "\n--option sandbox true\n--option sandbox-fallback false"));
  CHECK(has(own, "\n--refresh path:/flake\n"));
  CHECK_FALSE(has(own, "--cap-add"));
  CHECK_FALSE(has(own, "/proc/sys"));
  CHECK_FALSE(nix_sandbox_environment(sandbox).contains("NIX_REMOTE"));
}

TEST_CASE("root builds as Nix's build users in this sandbox alone and the kernel's settings stay as they are") {
  NixSandbox sandbox = some_nix_sandbox();
  sandbox.mode = NixMode::root_owner;
  sandbox.root = true;
  const std::string root = lines_of(nix_sandbox_arguments(sandbox, 7));
  CHECK(has(root, "\n--bind /nix /nix\n"));
  CHECK(has(root, "--cap-add CAP_SETUID\n"));
  CHECK(has(root, "\n--ro-bind-try /proc/sys /proc/sys\n"));
  CHECK(has(root, "\n--option sandbox false\n--option build-users-group nixbld"));
  for (const char* words : {"SYS_ADMIN", "MKNOD", "--unshare-user"}) CHECK_FALSE(has(root, words));
  sandbox.mode = NixMode::daemon;
  CHECK(has(lines_of(nix_sandbox_arguments(sandbox, 7)), "\n--ro-bind-try /proc/sys /proc/sys\n"));
}

TEST_CASE("a nix that lies elsewhere is shown alone") {
  NixSandbox sandbox = some_nix_sandbox();
  sandbox.nix = "/opt/nix/bin/nix";
  CHECK(has(lines_of(nix_sandbox_arguments(sandbox, 7)), "\n--ro-bind /opt/nix/bin/nix /opt/nix/bin/nix\n"));
}

}  // namespace agentvm::devshell
