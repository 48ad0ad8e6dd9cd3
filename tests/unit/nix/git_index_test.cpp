// git_index_test.cpp - indexes as Git writes them, and as somebody who means harm does.
#include "launcher/nix/git_index.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/nix/workspace.hpp"

namespace agentvm::devshell {

using test::has;
using Paths = std::vector<std::string>;

namespace {

std::string big_endian(std::uint32_t value, int size) {
  std::string out;
  for (int i = size - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

/// Version 2, with regular files of these paths.
std::string made_index(const Paths& paths, const std::string& extensions = {}) {
  std::string out = "DIRC" + big_endian(2, 4) + big_endian(static_cast<std::uint32_t>(paths.size()), 4);
  for (const std::string& path : paths) {
    std::string entry = std::string(24, '\0') + big_endian(0100644, 4) + std::string(12 + 20, '\0');
    entry += big_endian(static_cast<std::uint32_t>(std::min<std::size_t>(path.size(), 0xfff)), 2) + path;
    entry.resize(entry.size() + 8 - entry.size() % 8, '\0');
    out += entry;
  }
  return out + extensions + std::string(20, '\0');
}

std::string index_refusal(const std::string& bytes) {
  try {
    parse_git_index(bytes);
  } catch (const Error& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "taken";
}

}  // namespace

TEST_CASE("indexes of Git itself in each version") {
  const testing::FlakeWorkspace workspace;
  Paths expected = {"flake.nix"};
  for (int i = 100; i < 300; ++i) expected.push_back("some/long/directory/" + std::to_string(i) + "/f\xc3\xbcr.nix");
  expected.push_back(std::string(200, 'y') + "/" + std::string(200, 'z'));
  for (const std::string& path : expected) workspace.write(path, "x");
  workspace.track_all();
  workspace.git({"update-index", "--skip-worktree", "flake.nix"});  // an extended entry
  for (const char* version : {"3", "4", "2"}) {
    CAPTURE(version);
    workspace.git({"update-index", "--index-version", version});
    CHECK(tracked_files(HeldDirectory::resolve(workspace.root)).paths == expected);
  }
  CHECK(tracked_files(HeldDirectory::resolve(workspace.root + "/some/long")).paths.size() == 200);
  CHECK(tracked_files(HeldDirectory::resolve(workspace.root + "/some/long")).paths[0] ==
        "directory/100/f\xc3\xbcr.nix");
  workspace.git({"update-index", "--split-index"});
  CHECK_THROWS_WITH_AS(tracked_files(HeldDirectory::resolve(workspace.root)), doctest::Contains("Git index is split"),
                       Error);
  remove_tree(workspace.root + "/.git");
  workspace.git({"init", "-q", "--object-format=sha256"});
  workspace.git({"add", "-A"});
  CHECK_THROWS_WITH_AS(tracked_files(HeldDirectory::resolve(workspace.root)), doctest::Contains("SHA-256"), Error);
}

TEST_CASE("a worktree is said to be one and no repository is none") {
  const testing::FlakeWorkspace workspace;
  CHECK_FALSE(tracked_files(HeldDirectory::resolve(workspace.root)).repository);
  workspace.write(".git", "gitdir: /elsewhere");
  make_directories(workspace.root + "/sub");
  for (const char* below : {"", "/sub"}) {
    CHECK_THROWS_WITH_AS(tracked_files(HeldDirectory::resolve(workspace.root + below)),
                         doctest::Contains("Git worktree or submodule"), Error);
  }
}

TEST_CASE("an index that means harm") {
  CHECK(parse_git_index(made_index({"a", "b/c"}, "TREE" + big_endian(4, 4) + "junk")) == Paths{"a", "b/c"});
  for (const char* path : {"../a", "/a", "a//b", "a/", "./a", "a/../b", ".git/config", "a/.git/config"}) {
    CAPTURE(path);
    CHECK(has(index_refusal(made_index({path})), "leads out of the repository"));
  }
  CHECK(has(index_refusal(made_index({""})), "is split"));
  // As a link the one would lead the other elsewhere; what sorts between them hides it from a look at neighbours.
  CHECK(has(index_refusal(made_index({"esc", "esc-big", "esc/payload"})), "lists a file, and others below it"));
  CHECK(has(index_refusal(made_index({"a/b/c/d", "a/b"})), "lists a file, and others below it"));
  std::string deep = "x";
  for (int i = 0; i < 65; ++i) deep += "/x";
  CHECK(index_refusal(made_index({deep})) ==
        "its Git index cannot be read: a path is more than 64 directories deep | ");
  CHECK(has(index_refusal(made_index({std::string(5000, 'x')})), "too long"));
  CHECK(has(index_refusal("DIRC" + big_endian(2, 4) + big_endian(0xffffffff, 4)), "4294967295 files"));
  CHECK(has(index_refusal("DIRC" + big_endian(2, 4) + big_endian(5, 4)), "ends too early"));
  CHECK(has(index_refusal("DIRC" + big_endian(9, 4) + big_endian(0, 4)), "version 9"));
  CHECK(has(index_refusal("rubbish"), "does not begin as one"));
  CHECK(has(index_refusal(made_index({"a"}, "sdir" + big_endian(0, 4))), "sparse"));
  CHECK(has(index_refusal(made_index({"a"}, "evil" + big_endian(0, 4))), "unknown extension"));
  CHECK(has(index_refusal(made_index({"a"}, "TREE" + big_endian(0xfffffff0, 4))), "ends too early"));
  const std::string whole = made_index({"a", "b/c", "d"});
  for (std::size_t size = 0; size < whole.size() - 20; ++size) index_refusal(whole.substr(0, size));
}

}  // namespace agentvm::devshell
