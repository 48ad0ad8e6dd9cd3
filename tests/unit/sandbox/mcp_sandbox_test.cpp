// mcp_sandbox_test.cpp - bubblewrap's arguments as a whole, and what of the environment goes in.
#include "launcher/sandbox/mcp_sandbox.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/process.hpp"
#include "base/unique_fd.hpp"

using namespace agentvm::gateway;
using Strings = std::vector<std::string>;

namespace {

std::string joined(const Strings& words) {
  std::string text;
  for (const auto& word : words) text += (word.starts_with("--") ? "\n" : " ") + word;
  return text;
}

}  // namespace

TEST_SUITE("gateway/mcp_sandbox") {
  TEST_CASE("root's sandbox cannot change the kernel's settings") {
    const auto bubblewrap = agentvm::find_program("bwrap");
    if (!bubblewrap || geteuid() != 0) {
      MESSAGE("skipped: it takes root and bwrap");
      return;
    }
    McpInstall install;
    install.command = {"/usr/bin/test", "-w", "/proc/sys/kernel/core_pattern"};
    const auto exit_code = [&](const SandboxHost& host) {
      const agentvm::UniqueFd passwd(memfd_create("passwd", MFD_CLOEXEC));
      const agentvm::UniqueFd group(memfd_create("group", MFD_CLOEXEC));
      const auto done = agentvm::run_captured({.program = *bubblewrap,
                                               .args = sandbox_arguments(host, install, {passwd.get(), group.get()}),
                                               .inherit = {passwd.get(), group.get()}},
                                              std::chrono::seconds(20));
      CHECK(done.err == "");
      return done.status.shell_code();
    };
    SandboxHost host = inspect_sandbox_host({});
    CHECK(host.root);
    CHECK(exit_code(host) == 1);
    host.root = false;
    CHECK_MESSAGE(exit_code(host) == 0, "bubblewrap alone leaves them writable");
  }

  TEST_CASE("the arguments for a virtual environment in a home") {
    SandboxHost host;
    host.root_links = {{"/bin", "usr/bin"}, {"/lib64", "usr/lib64"}};
    host.root_directories = {"/lib"};
    host.files = {{"/run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf"}, {"/etc/ssl/certs", "/etc/ssl/certs"}};
    host.hidden = {"/usr/bin/nix"};
    McpInstall install;
    install.command = {"/home/me/.local/bin/server", "--stdio"};
    install.directories = {"/home/me/venv"};
    install.files = {"/home/me/tool"};
    install.links = {{"/home/me/.local/bin/server", "../../venv/bin/server"},
                     {"/home/me/venv/bin/python", "python3"},
                     {"/bin", "usr/bin"},
                     {"/usr/bin/x", "y"},
                     {"/lib/ld.so", "x"}};
    CHECK(joined(sandbox_arguments(host, install, {7, 8})) == R"(
--unshare-all
--die-with-parent
--new-session
--uid 65534
--gid 65534
--cap-drop ALL
--ro-bind /usr /usr
--symlink usr/bin /bin
--symlink usr/lib64 /lib64
--ro-bind /lib /lib
--proc /proc
--dev /dev
--tmpfs /tmp
--ro-bind /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
--ro-bind /etc/ssl/certs /etc/ssl/certs
--ro-bind-data 7 /etc/passwd
--ro-bind-data 8 /etc/group
--ro-bind /dev/null /usr/bin/nix
--ro-bind /home/me/venv /home/me/venv
--ro-bind /home/me/tool /home/me/tool
--symlink ../../venv/bin/server /home/me/.local/bin/server
--remount-ro /
--chdir /tmp
-- /home/me/.local/bin/server
--stdio)");
  }

  TEST_CASE("/nix/store only for a server that lives there") {
    McpInstall install;
    install.command = {"/nix/store/x/bin/server"};
    const auto has_store = [&] {
      const Strings args = sandbox_arguments({}, install, {7, 8});
      return std::find(args.begin(), args.end(), "/nix/store") != args.end();
    };
    CHECK_FALSE(has_store());
    install.nix_store = true;
    CHECK(has_store());
  }

  TEST_CASE("of the caller's environment only certificates go in and the profile's own variables") {
    const SandboxHost host = inspect_sandbox_host({{"HTTPS_PROXY", "http://me:secret@127.0.0.1:1"},
                                                   {"OPENAI_API_KEY", "sk-secret"},
                                                   {"SSH_AUTH_SOCK", "/run/ssh"},
                                                   {"LD_PRELOAD", "/x.so"},
                                                   {"PATH", "/nix/bin"},
                                                   {"REQUESTS_CA_BUNDLE", "/no/such/file"}});
    auto environment = sandbox_environment(host, {}, {}, "some-uuid");
    CHECK_FALSE(environment.contains("HTTPS_PROXY"));
    CHECK(environment.at("HOME") == "/tmp");
    CHECK(environment.at("PATH") == "/usr/local/bin:/usr/bin:/bin");
    CHECK(environment.at("AGENTVM_INSTANCE") == "some-uuid");
    CHECK(environment.at("FASTMCP_CHECK_FOR_UPDATES") == "off");
    for (const char* name : {"OPENAI_API_KEY", "SSH_AUTH_SOCK", "LD_PRELOAD"}) CHECK_FALSE(environment.contains(name));
    const McpWishes wishes = {
        {{"TOKEN", "t"}, {"HOME", "/home"}, {"https_proxy", "http://x"}, {"AGENTVM_INSTANCE", "other"}}, {"a.example"}};
    environment = sandbox_environment(host, {}, wishes, "some-uuid");
    CHECK(environment.at("TOKEN") == "t");
    CHECK(environment.at("HOME") == "/home");
    CHECK(environment.at("https_proxy") == "http://127.0.0.1:3128");
    CHECK(environment.at("HTTPS_PROXY") == "http://127.0.0.1:3128");
    CHECK(environment.at("AGENTVM_INSTANCE") == "some-uuid");
  }

  TEST_CASE("nothing secret of this host's /etc is shown") {
    for (const auto& [source, path] : inspect_sandbox_host({}).files) {
      CHECK(path.starts_with("/etc/"));
      for (const char* secret : {"shadow", "private", "ssh", "passwd"}) CHECK(path.find(secret) == std::string::npos);
      CHECK(path != "/etc");
      CHECK(path != "/etc/ssl");
      CHECK(path != "/etc/pki");
    }
  }
}
