// flake_files_test.cpp - which changes of a workspace make another devShell, and that a hostile one does no harm.
#include "launcher/devshell/flake_files.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"

namespace agentvm::devshell {

namespace {

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
    write_file_atomic(root + "/" + name, text);
  }
  std::string key() const { return flake_key(root); }
};

}  // namespace

TEST_CASE("what a devShell is usually made of changes its key, and nothing else does") {
  const FlakeWorkspace workspace;
  std::string key = workspace.key();
  CHECK(workspace.key() == key);
  for (const char* name : {"flake.nix", "flake.lock", "nix/shell.nix", "crates/a/b/c/d/e/f/deep.nix", "rust-toolchain",
                           "rust-toolchain.toml", "devshell.toml"}) {
    CAPTURE(name);
    workspace.write(name, "one");
    const std::string made = workspace.key();
    CHECK(made != key);
    workspace.write(name, "two");
    key = workspace.key();
    CHECK(key != made);
  }
  for (const char* name :
       {"src/main.rs", "Cargo.toml", ".direnv/x.nix", "node_modules/a/default.nix", "target/x.nix"}) {
    CAPTURE(name);
    workspace.write(name, "one");
    CHECK(workspace.key() == key);
  }
  const FlakeWorkspace other;
  CHECK(other.key() != FlakeWorkspace().key());
}

TEST_CASE("links are not followed, FIFOs not waited for, and too many entries not all looked at") {
  const FlakeWorkspace workspace;
  std::filesystem::create_directory_symlink("/", workspace.root + "/loop");
  const std::string before = workspace.key();
  REQUIRE(symlink("/dev/zero", (workspace.root + "/a.nix").c_str()) == 0);
  const std::string linked = workspace.key();
  CHECK(linked != before);
  REQUIRE(unlink((workspace.root + "/a.nix").c_str()) == 0);
  REQUIRE(symlink("/dev/null", (workspace.root + "/a.nix").c_str()) == 0);
  CHECK(workspace.key() != linked);
  REQUIRE(mkfifo((workspace.root + "/b.nix").c_str(), 0600) == 0);
  const std::string with_fifo = workspace.key();
  CHECK(with_fifo != before);

  // The flake counts however much comes before it.
  make_directories(workspace.root + "/a");
  for (int i = 0; i < 20'050; ++i) {
    REQUIRE(symlink("x", (workspace.root + "/a/" + std::to_string(i)).c_str()) == 0);
  }
  const std::string many = workspace.key();
  workspace.write("z.nix", "not seen");
  CHECK(workspace.key() == many);
  workspace.write("flake.nix", "seen");
  CHECK(workspace.key() != many);
}

TEST_CASE("a flake, and what Git tracks of it") {
  const FlakeWorkspace workspace;
  CHECK(has_flake(workspace.root));
  CHECK_FALSE(has_flake(workspace.root + "/nowhere"));
  CHECK_FALSE(has_own_git(workspace.root));
  workspace.write(".git/config", "[core]");
  CHECK(has_own_git(workspace.root));
  const std::string tracked = workspace.key();
  workspace.write(".git/commondir", "../elsewhere");
  CHECK_FALSE(has_own_git(workspace.root));
  CHECK(workspace.key() != tracked);
  remove_tree(workspace.root + "/.git");
  // A worktree's, which leads out of the workspace.
  workspace.write(".git", "gitdir: /elsewhere");
  CHECK_FALSE(has_own_git(workspace.root));
  REQUIRE(unlink((workspace.root + "/.git").c_str()) == 0);
  workspace.write("elsewhere/config", "[core]");
  REQUIRE(symlink("elsewhere", (workspace.root + "/.git").c_str()) == 0);
  CHECK_FALSE(has_own_git(workspace.root));
}

}  // namespace agentvm::devshell
