// workspace.hpp - a directory with a flake for the tests of devShells.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "base/file.hpp"
#include "base/process.hpp"

namespace agentvm::devshell::testing {

struct FlakeWorkspace {
  std::string root = "/tmp/agentvm-flake-test-XXXXXX";
  FlakeWorkspace() {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    write("flake.nix", "{ }");
  }
  FlakeWorkspace(const FlakeWorkspace&) = delete;
  FlakeWorkspace& operator=(const FlakeWorkspace&) = delete;
  ~FlakeWorkspace() { remove_tree(root); }

  void write(const std::string& name, const std::string& text) const {
    make_directories(std::filesystem::path(root + "/" + name).parent_path());
    write_file_atomic(root + "/" + name, text, 0644);
  }
  void git(std::vector<std::string> words) const {
    words.insert(words.begin(), {"-C", root});
    const Output done = run_captured({.program = "git", .args = std::move(words)}, std::chrono::seconds(20));
    CAPTURE(done.err);
    REQUIRE(done.status.shell_code() == 0);
  }
  void track_all() const {
    git({"init", "-q"});
    git({"add", "-A"});
  }
};

}  // namespace agentvm::devshell::testing
