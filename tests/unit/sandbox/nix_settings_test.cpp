// nix_settings_test.cpp - what of a nix.conf reaches the evaluation of a stranger's flake.
#include "launcher/sandbox/nix_settings.hpp"

#include <doctest/doctest.h>

#include "tests/unit/nix/workspace.hpp"

namespace agentvm::devshell {

TEST_CASE("where to fetch from and how to build is taken from nix.conf but no token or path of a key or hook") {
  const testing::FlakeWorkspace place;
  place.write("more.conf", "extra-substituters = https://more\naccess-tokens = github.com=secret\n!include nix.conf\n");
  place.write("nix.conf",
              "# comment\nsubstituters = https://cache https://me:secret@cache.me # behind\nnetrc-file = "
              "/etc/nix/netrc\nsecret-key-files = /k\n"
              "post-build-hook = /run/me\nplugin-files = /p\nsandbox=true\nsandbox = relaxed\ninclude more.conf\n"
              "!include missing.conf\nmax-jobs = 4");
  const std::string once = "extra-substituters = https://more\n";
  const std::string text = shared_settings(place.root + "/nix.conf");
  CHECK(text.starts_with("substituters = https://cache\nsandbox = relaxed\n" + once));
  CHECK(text.ends_with("max-jobs = 4\n"));
  for (const char* word : {"secret", "netrc", "hook", "plugin"}) CHECK(text.find(word) == std::string::npos);
  CHECK(shared_settings(place.root + "/nowhere").empty());
}

}  // namespace agentvm::devshell
