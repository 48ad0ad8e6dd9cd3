// fake_nix.hpp - a `nix` on PATH that does what a test tells it to, and a cache for it to build into.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <string>

#include "base/file.hpp"
#include "vmspec/render/nix.hpp"

namespace agentvm::image::testing {

/// A manifest as guest.nix makes it.
inline std::string some_manifest() {
  return R"({"version":1,"name":"rust","system":"x86_64-linux",
 "kernel":{"elf":"/nix/store/k-dev/vmlinux","image":"/nix/store/k/bzImage","version":"6.18.1"},
 "initrd":"/nix/store/i/initrd","kernel_params":["console=hvc0","init=/nix/store/s/init"],"init":"/nix/store/s/init",
 "store":{"kind":"share","disk":null,"writable":true},
 "user":{"name":"agent","uid":1000,"gid":1000,"home":"/home/agent"},"workspace":"/workspace",
 "tools":{"agent":"/nix/store/c/bin/codex","shell":"/nix/store/b/bin/bash","sudo":"/run/wrappers/bin/sudo"},
 "path":"/run/wrappers/bin:/run/current-system/sw/bin"})";
}

/// PATH is the fake's alone for its life. `calls` has its arguments, one call a line.
class FakeNix {
 public:
  std::string root = "/tmp/agentvm-nix-test-XXXXXX";
  std::string cache, calls;

  FakeNix() {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    cache = root + "/cache";
    calls = root + "/calls";
    make_directories(root + "/bin");
    behave("");
    const char* path = getenv("PATH");
    path_ = path == nullptr ? "" : path;
    setenv("PATH", (root + "/bin").c_str(), 1);
  }
  FakeNix(const FakeNix&) = delete;
  FakeNix& operator=(const FakeNix&) = delete;
  ~FakeNix() {
    setenv("PATH", path_.c_str(), 1);
    remove_tree(root);
  }

  /// `script` runs before the usual behaviour, with $1 as "flake" or "build"; it may exit.
  void behave(const std::string& script) const {
    write_file_atomic(root + "/manifest.json", some_manifest());
    write_file_atomic(root + "/bin/nix",
                      "#!/bin/sh\nPATH=/usr/bin:/bin\nroot=" + root + "\nshift 2\necho \"$*\" >>$root/calls\n" +
                          script +
                          R"(
case "$1" in
  flake)
    directory=${3#path:}
    echo "locking inputs" >&2
    [ -e "$directory/flake.lock" ] || date +%s%N >"$directory/flake.lock"
    ;;
  build)
    while [ "$1" != --out-link ]; do shift; done
    printf 'building\r\033[32mdone\033[0m\n' >&2
    made=$root/store/$(basename "$2")
    mkdir -p "$made"
    cp $root/manifest.json "$made/"
    ln -sfn "$made" "$2"
    ;;
esac
)",
                      0755);
  }
  void serve_manifest(const std::string& text) const { write_file_atomic(root + "/manifest.json", text); }

  /// The first two words of each call, since the last time it was asked.
  std::string called() const {
    const std::string text = read_file_if_exists(calls).value_or("");
    remove_tree(calls);
    std::string out;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      out += (out.empty() ? "" : ", ") + text.substr(begin, text.find(' ', begin) - begin);
      begin = end + 1;
    }
    return out;
  }

 private:
  std::string path_;
};

inline vmspec::Definition some_definition(const std::string& text = "{ }\n") {
  return {"rust", {{"flake.nix", text}, {"vm.nix", "{ }\n"}, {"modules/1-a.nix", "{ }\n"}}};
}

}  // namespace agentvm::image::testing
