// nix_sandbox_test.cpp - bubblewrap's arguments around nix as a whole, for each way Nix works on a host.
#include "launcher/sandbox/nix_sandbox.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "launcher/sandbox/nix_confinement.hpp"
#include "tests/unit/has.hpp"

namespace agentvm::devshell {

using test::has;

namespace {

NixSandbox some_nix_sandbox() {
  NixSandbox sandbox;
  sandbox.host.root_links = {{"/bin", "usr/bin"}};
  sandbox.host.root_directories = {"/lib"};
  sandbox.host.files = {{"/run/resolv.conf", "/etc/resolv.conf"}};
  sandbox.host.environment = {{"NIX_SSL_CERT_FILE", "/etc/ssl/certs/all"}};
  sandbox.nix = "/nix/store/n/bin/nix";
  sandbox.flake = "/home/me/.cache/agentvm/devshells/unfinished.x/flake";
  sandbox.fetched = "/home/me/.cache/agentvm/devshells/fetched";
  sandbox.roots = "/home/me/.cache/agentvm/devshells/k/roots";
  sandbox.asks_for_confinement = false;
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
--unshare-net
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
        std::map<std::string, std::string>{{"NIX_SSL_CERT_FILE", "/etc/ssl/certs/all"},
                                           {"HTTPS_PROXY", "http://127.0.0.1:3128"},
                                           {"HTTP_PROXY", "http://127.0.0.1:3128"},
                                           {"https_proxy", "http://127.0.0.1:3128"},
                                           {"http_proxy", "http://127.0.0.1:3128"},
                                           {"NODE_USE_ENV_PROXY", "1"},
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
  sandbox.asks_for_confinement = true;
  sandbox.refresh = true;
  const std::string own = lines_of(nix_sandbox_arguments(sandbox, 7));
  CHECK(has(own, "\n--bind /nix /nix\n"));
  CHECK(has(own, "\n--option sandbox true\n--option sandbox-fallback false"));
  CHECK(has(own, "\n--refresh path:/flake\n"));
  CHECK_FALSE(has(own, "--cap-add"));
  CHECK_FALSE(has(own, "/proc/sys"));
  CHECK_FALSE(nix_sandbox_environment(sandbox).contains("NIX_REMOTE"));
}

TEST_CASE("root keeps no capability and the kernel's settings stay as they are") {
  NixSandbox sandbox = some_nix_sandbox();
  sandbox.root = true;
  const std::string root = lines_of(nix_sandbox_arguments(sandbox, 7));
  CHECK(has(root, "\n--ro-bind /nix /nix\n"));
  CHECK(has(root, "\n--ro-bind-try /proc/sys /proc/sys\n"));
  CHECK_FALSE(has(root, "--cap-add"));
}

TEST_CASE("the way out reaches public addresses and the substituters of nix.conf") {
  CHECK(hosts_of_settings("sandbox = true\nsubstituters = https://cache.nixos.org http://10.0.0.7:5000/x?priority=1\n"
                          "extra-substituters = http://cache.lan/ https://[fd00::1]:8443 file:///srv/cache\n") ==
        std::vector<std::string>{"*", "cache.nixos.org:443", "10.0.0.7:5000", "cache.lan:80", "[fd00::1]:8443"});
}

TEST_CASE("a daemon that builds without a sandbox is told or refused") {
  const auto settings = [](const char* sandbox, const char* fallback) {
    return parse_confinement(std::string(R"({"cores": {"value": 1}, "sandbox": {"value": )") + sandbox +
                             R"(}, "sandbox-fallback": {"value": )" + fallback +
                             R"(}, "trusted-users": {"value": ["root", "@wheel", "anna"]}})");
  };
  const NixCaller stranger = {"bert", {"users", "anna"}};
  const NixConfinement confined = settings("true", "false");
  CHECK_FALSE(must_ask_for_confinement(confined, stranger));
  for (const NixCaller& trusted :
       {NixCaller{"root", {}}, NixCaller{"anna", {}}, NixCaller{"bert", {"users", "wheel"}}}) {
    CHECK(must_ask_for_confinement(settings("false", "true"), trusted));
    CHECK(must_ask_for_confinement(confined, trusted));
  }
  for (const char* value : {"false", "\"relaxed\""}) {
    CHECK_THROWS_WITH_AS(must_ask_for_confinement(settings(value, "false"), stranger),
                         doctest::Contains("sandbox is not true"), Error);
  }
  CHECK_THROWS_WITH_AS(must_ask_for_confinement(settings("true", "true"), stranger),
                       doctest::Contains("sandbox-fallback"), Error);
  for (const char* text : {"", "[]", "{}", R"({"sandbox": {"value": true}})"}) {
    CHECK_THROWS_AS(parse_confinement(text), Error);
  }
}

TEST_CASE("a nix that lies elsewhere is shown alone") {
  NixSandbox sandbox = some_nix_sandbox();
  sandbox.nix = "/opt/nix/bin/nix";
  CHECK(has(lines_of(nix_sandbox_arguments(sandbox, 7)), "\n--ro-bind /opt/nix/bin/nix /opt/nix/bin/nix\n"));
}

}  // namespace agentvm::devshell
