// paths_test.cpp - which host paths a guest may see, and where a workspace may be mounted.
#include "vmspec/plan/paths.hpp"

#include <doctest/doctest.h>

namespace agentvm::vmspec {

TEST_CASE("paths are brought into one form or refused") {
  CHECK(normal_path("/a//b/") == "/a/b");
  CHECK(normal_path("/") == "/");
  CHECK(normal_path("~/x//y/", true) == "~/x/y");
  CHECK(normal_path("~", true) == "~");
  for (const char* wrong : {"", "a", "a/b", "/a/../b", "/a/./b", "..", "~/x", "~x", "/a\nb"}) {
    CAPTURE(wrong);
    CHECK_FALSE(normal_path(wrong).has_value());
  }
  CHECK_FALSE(normal_path("~/../x", true).has_value());
  CHECK_FALSE(normal_path("~me/x", true).has_value());
  CHECK_FALSE(normal_path("/" + std::string(5000, 'a')).has_value());
}

TEST_CASE("a refused path is told by the rule that it breaks") {
  CHECK(path_refusal("/a//b/") == "");
  CHECK(path_refusal("~/a", true) == "");
  CHECK(path_refusal("a") == "must be an absolute path, without '.' and '..' parts");
  CHECK(path_refusal("/a/..", true) == "must be an absolute path or begin with ~/, without '.' and '..' parts");
  CHECK(path_refusal("/a\nb") == "must be free of line breaks and other control characters");
  CHECK(path_refusal("/" + std::string(5000, 'a')) == "must be at most 4000 bytes long");
}

TEST_CASE("being within goes by whole parts") {
  CHECK(is_within("/a/b", "/a"));
  CHECK(is_within("/a", "/a"));
  CHECK(is_within("/a", "/"));
  CHECK_FALSE(is_within("/ab", "/a"));
  CHECK_FALSE(is_within("/a", "/a/b"));
}

TEST_CASE("of ~/.codex the agent's own program alone may be shown") {
  const std::string packages = "/.codex/packages/standalone";
  for (const std::string home : {"/home/me", "/home/other", "/root"}) {
    CAPTURE(home);
    for (const char* program : {"/releases/1-x86_64/bin/codex", "/releases/1-x86_64/codex"}) {
      CHECK_FALSE(agent_program_refusal(home + packages + program, "/home/me"));
      CHECK(exposure_refusal(home + packages + program, "/home/me"));
    }
    for (const char* program :
         {"/.codex/codex", "/.codex/bin/codex", "/.codex/packages/codex", "/.codex/packages/standalone/codex",
          "/.codex/packages/standalone2/bin/codex", "/.ssh/codex", "/codex"}) {
      CAPTURE(program);
      CHECK(agent_program_refusal(home + program, "/home/me"));
    }
  }
  CHECK_FALSE(agent_program_refusal("/usr/bin/codex", "/home/me"));
  CHECK(agent_program_refusal("/codex", "/home/me"));
}

TEST_CASE("secret places are refused: themselves and what is in them and what holds them") {
  for (const char* path : {"~/.ssh",
                           "~/.ssh/keys",
                           "~/.gnupg",
                           "~/.aws",
                           "~/.config/gcloud",
                           "~/.netrc",
                           "~/.docker/config.json",
                           "~/.docker",
                           "~/.kube",
                           "~/.codex",
                           "~/.claude",
                           "~/.cargo",
                           "~/.config",
                           "~/.local",
                           "~",
                           "/",
                           "/home",
                           "/root",
                           "/home/me",
                           "/home/other",
                           "/home/other/.ssh",
                           "/root/.ssh/id_rsa",
                           "/etc",
                           "/etc/shadow",
                           "/etc/ssh",
                           "/var",
                           "/var/lib",
                           "/run",
                           "/run/docker.sock",
                           "/proc/1/root",
                           "/dev",
                           "/sys",
                           "/var/run"}) {
    CAPTURE(path);
    CHECK(exposure_refusal(path, "/home/me").has_value());
    CHECK(exposure_refusal(path, "").has_value());
  }
  for (const char* path : {"~/.cargo/bin", "~/.rustup/toolchains", "/opt/tool", "/usr/local/go", "/nix/store",
                           "~/src/.sshd", "/home/me/.cargo/bin", "/root/.cargo/bin", "/srv/data", "/homes/x"}) {
    CAPTURE(path);
    CHECK_FALSE(exposure_refusal(path, "/home/me").has_value());
  }
}

TEST_CASE("a home in an unusual place counts as one") {
  CHECK(exposure_refusal("/data/people/me/.ssh", "/data/people/me").has_value());
  CHECK(exposure_refusal("/data/people/me", "/data/people/me").has_value());
  CHECK(exposure_refusal("/data/people", "/data/people/me").has_value());
  CHECK_FALSE(exposure_refusal("/data/other", "/data/people/me").has_value());
  // Without a usable home, "~" cannot be judged by its absolute path, only by what follows it.
  CHECK_FALSE(exposure_refusal("~/.cargo/bin", "").has_value());
}

TEST_CASE("a workspace is not mounted over the guest's system") {
  for (const char* path :
       {"/", "/usr", "/usr/src/app", "/etc", "/proc", "/run/x", "/home", "/tmp", "/nix/store", "/root"}) {
    CAPTURE(path);
    CHECK(mount_refusal(path).has_value());
  }
  for (const char* path : {"/workspace", "/home/me/app", "/tmp/app", "/srv", "/usrx"}) {
    CAPTURE(path);
    CHECK_FALSE(mount_refusal(path).has_value());
  }
}

}  // namespace agentvm::vmspec
