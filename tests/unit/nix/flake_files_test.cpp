// flake_files_test.cpp - which files a flake has, which changes make another devShell, and that a hostile workspace
// gives away nothing outside of it.
#include "launcher/nix/flake_files.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/held.hpp"
#include "tests/unit/nix/workspace.hpp"

namespace agentvm::devshell {

using test::has;
using testing::FlakeWorkspace;
using Paths = std::vector<std::string>;

namespace {

std::string key_here(const FlakeWorkspace& workspace) {
  return flake_key(workspace.root, test::held(workspace.root), flake_files(test::held(workspace.root)));
}

template <typename Act>
std::string refusal_of(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "taken";
}

}  // namespace

TEST_CASE("a flake without a repository: all files but those that tools make") {
  const FlakeWorkspace workspace;
  for (const char* name :
       {"src/main.rs", "node_modules/a/default.nix", "target/x.nix", ".direnv/x.nix", ".hidden/y.nix"}) {
    workspace.write(name, "x");
  }
  REQUIRE(symlink("/etc", (workspace.root + "/etc").c_str()) == 0);
  REQUIRE(mkfifo((workspace.root + "/fifo.nix").c_str(), 0600) == 0);
  CHECK(flake_files(test::held(workspace.root)) == Paths{".hidden/y.nix", "etc", "flake.nix", "src/main.rs"});
}

TEST_CASE("a flake in a repository is what Git tracks whatever its configuration says") {
  const FlakeWorkspace workspace;
  workspace.write("nix/shell.nix", "x");
  workspace.write("run.sh", "x");
  workspace.write("gone.nix", "x");
  workspace.track_all();
  workspace.write("untracked.nix", "x");
  REQUIRE(unlink((workspace.root + "/gone.nix").c_str()) == 0);
  CHECK(flake_files(test::held(workspace.root)) == Paths{"flake.nix", "gone.nix", "nix/shell.nix", "run.sh"});
  workspace.write(".git/config", "[core]\n\tfsmonitor = touch " + workspace.root + "/ran\n\tworktree = /etc\n");
  CHECK(flake_files(test::held(workspace.root)).size() == 4);
  CHECK_FALSE(std::filesystem::exists(workspace.root + "/ran"));
  for (const char* version : {"2", "4"}) {
    CAPTURE(version);
    workspace.write(".git/config", "[core]\n");
    workspace.git({"update-index", "--index-version", version});
    CHECK(flake_files(test::held(workspace.root)).size() == 4);
  }
}

TEST_CASE("what is no repository to take a flake from is said") {
  const FlakeWorkspace workspace;
  workspace.git({"init", "-q"});
  const auto refused = [&workspace] { return refusal_of([&workspace] { flake_files(test::held(workspace.root)); }); };
  CHECK(has(refused(), "is not tracked by Git, and a flake is what Git tracks | git add flake.nix"));
  workspace.write("other", "x");
  workspace.git({"add", "other"});
  CHECK(has(refused(), "flake.nix of " + workspace.root + " is not tracked by Git"));
  workspace.write(".git/index", "DIRC rubbish");
  CHECK(has(refused(), workspace.root + ": its Git index cannot be read: it is of version"));
  REQUIRE(unlink((workspace.root + "/.git/index").c_str()) == 0);
  REQUIRE(mkfifo((workspace.root + "/.git/index").c_str(), 0600) == 0);
  CHECK(has(refused(), "is not tracked by Git"));
}

TEST_CASE("whatever a flake may read changes its key and nothing else does") {
  const FlakeWorkspace workspace;
  std::string key = key_here(workspace);
  CHECK(key_here(workspace) == key);
  for (const char* name : {"flake.nix", "flake.lock", "nix/shell.nix", "a/b/c/d/e/f/deep.nix", "hook.sh", "Cargo.toml",
                           "src/main.rs", "data"}) {
    CAPTURE(name);
    workspace.write(name, "one");
    const std::string made = key_here(workspace);
    CHECK(made != key);
    workspace.write(name, "two");
    key = key_here(workspace);
    CHECK(key != made);
  }
  for (const char* name : {".direnv/x.nix", "node_modules/a/default.nix", "target/x.nix"}) {
    CAPTURE(name);
    workspace.write(name, "one");
    CHECK(key_here(workspace) == key);
  }
  const std::string long_text(3 << 20, 'x');
  workspace.write("data", long_text + "1");
  key = key_here(workspace);
  workspace.write("data", long_text + "2");
  CHECK_MESSAGE(key_here(workspace) != key, "the end of a large file");
  key = key_here(workspace);
  REQUIRE(chmod((workspace.root + "/hook.sh").c_str(), 0755) == 0);
  CHECK_MESSAGE(key_here(workspace) != key, "a right to be executed");
  key = key_here(workspace);
  CHECK_MESSAGE(key_here(FlakeWorkspace()) != key_here(FlakeWorkspace()), "of another workspace");
  REQUIRE(symlink("/dev/zero", (workspace.root + "/link.nix").c_str()) == 0);
  CHECK(key_here(workspace) != key);
}

TEST_CASE("a copy of a flake has the same key and nothing that was not a file of it") {
  const FlakeWorkspace workspace;
  workspace.write("nix/shell.nix", "shell");
  workspace.write("outside.nix", "x");
  workspace.write("dir/a.nix", "x");
  REQUIRE(symlink("../nix/shell.nix", (workspace.root + "/dir/link.nix").c_str()) == 0);
  REQUIRE(chmod((workspace.root + "/nix/shell.nix").c_str(), 0755) == 0);
  const Paths files = flake_files(test::held(workspace.root));
  const std::string copy = workspace.root + "-copy";
  copy_flake(test::held(workspace.root), files, copy);
  CHECK(flake_key(workspace.root, test::held(copy), files) ==
        flake_key(workspace.root, test::held(workspace.root), files));
  CHECK(read_file(copy + "/nix/shell.nix") == "shell");
  CHECK(access((copy + "/nix/shell.nix").c_str(), X_OK) == 0);
  CHECK(std::filesystem::read_symlink(copy + "/dir/link.nix") == "../nix/shell.nix");
  remove_tree(copy);

  // Between the list and the copy, a directory and a file become something else.
  remove_tree(workspace.root + "/dir");
  REQUIRE(symlink("/etc", (workspace.root + "/dir").c_str()) == 0);
  REQUIRE(unlink((workspace.root + "/outside.nix").c_str()) == 0);
  REQUIRE(mkfifo((workspace.root + "/outside.nix").c_str(), 0600) == 0);
  copy_flake(test::held(workspace.root), {"dir/passwd", "flake.nix", "outside.nix", "../outside"}, copy);
  CHECK(std::filesystem::exists(copy + "/flake.nix"));
  CHECK_FALSE(std::filesystem::exists(copy + "/dir/passwd"));
  CHECK_FALSE(std::filesystem::exists(copy + "/outside.nix"));
  remove_tree(copy);
}

TEST_CASE("a link in the copy leads no file out of it") {
  const FlakeWorkspace workspace;
  const FlakeWorkspace outside;
  const std::string copy = workspace.root + "-copy";
  make_directories(copy);
  REQUIRE(symlink(outside.root.c_str(), (copy + "/esc").c_str()) == 0);
  workspace.write("esc/payload", "x");
  workspace.write("esc/made/by/agent", "x");
  for (const char* path : {"esc/payload", "esc/made/by/agent"}) {
    CAPTURE(path);
    CHECK(has(refusal_of([&] { copy_flake(test::held(workspace.root), {path}, copy); }),
              "opening the directory " + copy + "/esc"));
  }
  CHECK_FALSE(std::filesystem::exists(outside.root + "/payload"));
  CHECK_FALSE(std::filesystem::exists(outside.root + "/made"));
  remove_tree(copy);
}

TEST_CASE("directories of files that are not there are not made") {
  const FlakeWorkspace workspace;
  const std::string copy = workspace.root + "-copy";
  copy_flake(test::held(workspace.root), {"flake.nix", "not/there/x.nix"}, copy);
  CHECK_FALSE(std::filesystem::exists(copy + "/not"));
  remove_tree(copy);
}

TEST_CASE("a flake that is too large is refused and so is its key") {
  const FlakeWorkspace workspace;
  for (int i = 0; i < 200; ++i) {
    workspace.write(std::to_string(i) + ".nix", "x");
    REQUIRE(truncate((workspace.root + "/" + std::to_string(i) + ".nix").c_str(), 64 << 20) == 0);
  }
  CHECK(has(refusal_of([&] { key_here(workspace); }), "is too large for a flake"));
  const std::string copy = workspace.root + "-copy";
  CHECK(has(refusal_of([&] { copy_flake(test::held(workspace.root), flake_files(test::held(workspace.root)), copy); }),
            "are too large: "));
  remove_tree(copy);
}

}  // namespace agentvm::devshell
