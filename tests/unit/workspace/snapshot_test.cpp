// snapshot_test.cpp - what changed in real directories, hostile ones included.
#include "launcher/workspace/snapshot.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/unit/held.hpp"

using namespace agentvm;
using namespace agentvm::workspace;

namespace {

/// A workspace and a place for what is kept, side by side.
struct Workspace {
  std::string base = "/tmp/agentvm-snapshot-test-XXXXXX";
  std::string dir, keep;

  Workspace() {
    REQUIRE(mkdtemp(base.data()) != nullptr);
    dir = base + "/work";
    keep = base + "/state/before";
    make_directories(dir);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { remove_tree(base); }

  std::string at(const std::string& path) const { return dir + "/" + path; }
  /// Written in place, as an editor of the guest may: the inode stays.
  void write(const std::string& path, const std::string& text) const {
    const std::size_t slash = path.rfind('/');
    if (slash != std::string::npos) make_directories(at(path.substr(0, slash)), 0755);
    const UniqueFd fd(open(at(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    REQUIRE(fd.valid());
    write_all(fd.get(), text);
  }
  void remove(const std::string& path) const { REQUIRE(unlink(at(path).c_str()) == 0); }
  Snapshot snapshot(const SnapshotLimits& limits = {}) const { return take_snapshot(test::held(dir), keep, limits); }
};

/// "A new.txt +3 -0" for each file, one a line.
std::string text_of(const WorkspaceChanges& changes) {
  std::string text;
  for (const auto& file : changes.files) {
    text += std::string(1, file.kind) + ' ' + file.path + ' ' + std::to_string(file.added) + ' ' +
            std::to_string(file.removed) + '\n';
  }
  return text;
}

std::string paths_of(const Snapshot& snapshot) {
  std::string text;
  for (const auto& entry : snapshot.entries) text += entry.path + '\n';
  return text;
}

/// Lets this thread look at files as an ordinary user: root, whom permissions do not stop, becomes nobody for a while.
struct OrdinaryUser {
  static constexpr uid_t nobody = 65534;
  const bool root = geteuid() == 0;

  explicit OrdinaryUser(const Workspace& work) {
    if (!root) return;
    const std::string closed = work.at("closed"), listed = work.at("listed"), open = work.at("open");
    for (const auto& path : {work.base, work.dir, closed, listed, open, closed + "/file", listed + "/file"}) {
      REQUIRE(chown(path.c_str(), nobody, nobody) == 0);
    }
    setfsuid(nobody);
  }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;
  ~OrdinaryUser() {
    if (root) setfsuid(0);
  }
};

}  // namespace

TEST_SUITE("workspace/snapshot") {
  TEST_CASE("nothing changed is nothing listed and paths come in byte order and keep_dir is private") {
    const Workspace work;
    // "a-b" < "a.txt" < "a/x" < "a0" in bytes, whichever of them is a directory.
    for (const char* path : {"a0", "a/x", "a/b/c", "a.txt", "a-b/z", "b"}) work.write(path, "text\n");
    const Snapshot before = work.snapshot();
    CHECK(paths_of(before) == "a-b/z\na.txt\na/b/c\na/x\na0\nb\n");
    CHECK_FALSE(before.truncated);
    CHECK(before.unread.empty());
    struct stat info {};
    REQUIRE(stat(work.keep.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
    CHECK(read_file(work.keep + "/texts").size() == 6 * 5);
    const WorkspaceChanges changes = changes_since(before, test::held(work.dir));
    CHECK(text_of(changes).empty());
    CHECK_FALSE(changes.truncated);
  }

  TEST_CASE("added and modified and deleted and renamed with their lines") {
    const Workspace work;
    work.write("changed", "1\n2\n3\n");
    work.write("deleted", "1\n2\n");
    work.write("dir/old-name", "same\n");
    work.write("emptied", "1\n");
    work.write("same", "same\n");
    const Snapshot before = work.snapshot();
    work.write("changed", "1\nTWO\n3\n4\n");
    work.remove("deleted");
    REQUIRE(rename(work.at("dir/old-name").c_str(), work.at("dir/new-name").c_str()) == 0);
    work.write("emptied", "");
    work.write("added/deep/file", "1\n2\n3");
    work.write("zero", "");
    const WorkspaceChanges changes = changes_since(before, test::held(work.dir));
    CHECK(text_of(changes) ==
          "A added/deep/file 3 0\nM changed 2 1\nD deleted 0 2\nA dir/new-name 1 0\nD dir/old-name 0 1\n"
          "M emptied 0 1\nA zero 0 0\n");
    CHECK_FALSE(changes.truncated);
  }

  TEST_CASE("a file written anew with the same text is no change but a mode is one") {
    const Workspace work;
    work.write("replaced", "text\n");
    work.write("touched", "text\n");
    work.write("made-executable", "text\n");
    work.write("touched-binary", std::string("\0\1", 2));
    const Snapshot before = work.snapshot();
    write_file_atomic(work.at("replaced"), "text\n", 0644);
    for (const char* path : {"touched", "touched-binary"}) {
      REQUIRE(utimensat(AT_FDCWD, work.at(path).c_str(), nullptr, 0) == 0);
    }
    REQUIRE(chmod(work.at("made-executable").c_str(), 0755) == 0);
    // What a binary held is not known any more, so its new times make it a change.
    CHECK(text_of(changes_since(before, test::held(work.dir))) == "M made-executable 0 0\nM touched-binary -1 -1\n");
  }

  TEST_CASE("links: where they point to is their text and they are never followed") {
    const Workspace work;
    make_directories(work.base + "/outside");
    write_file_atomic(work.base + "/outside/secret", "secret\n");
    const auto link = [&](const std::string& target, const std::string& path) {
      (void)unlink(work.at(path).c_str());
      REQUIRE(symlink(target.c_str(), work.at(path).c_str()) == 0);
    };
    link("../outside/secret", "changed");
    link("../outside", "directory");
    link("nowhere", "made-anew");
    work.write("file-to-link", "text\n");
    work.write("subdir/file", "text\n");
    const Snapshot before = work.snapshot();
    CHECK(paths_of(before) == "changed\ndirectory\nfile-to-link\nmade-anew\nsubdir/file\n");
    CHECK(read_file(work.keep + "/texts").find("secret\n") == std::string::npos);
    link("elsewhere", "changed");
    link("nowhere", "made-anew");
    link("../outside/secret", "file-to-link");
    work.remove("subdir/file");
    REQUIRE(rmdir(work.at("subdir").c_str()) == 0);
    link("../outside", "subdir");
    CHECK(text_of(changes_since(before, test::held(work.dir))) ==
          "M changed 1 1\nM file-to-link 1 1\nA subdir 1 0\nD subdir/file 0 1\n");
  }

  TEST_CASE("binary and too large files are listed without lines") {
    const Workspace work;
    const std::string binary = std::string(8191, 'x') + '\0';
    const std::string late_nul = std::string(8192, 'x') + '\0' + '\n';
    const SnapshotLimits limits{.kept_file = 10'000};
    work.write("binary", binary);
    work.write("binary-deleted", binary);
    work.write("large", std::string(10'001, 'x'));
    work.write("late-nul", late_nul);
    work.write("longest", std::string(10'000, 'x'));
    work.write("now-binary", "1\n2\n");
    const Snapshot before = work.snapshot(limits);
    work.write("binary", binary + "x");
    work.remove("binary-deleted");
    work.write("large", "now small\n");
    work.write("late-nul", late_nul + "1\n");
    work.write("longest", "1\n");
    work.write("new-binary", binary);
    work.write("new-large", std::string(10'001, '\n'));
    work.write("now-binary", binary);
    CHECK(text_of(changes_since(before, test::held(work.dir), 100, limits)) ==
          "M binary -1 -1\nD binary-deleted -1 -1\nM large -1 -1\nM late-nul 1 0\nM longest 1 1\nA new-binary -1 -1\n"
          "A new-large -1 -1\nM now-binary -1 -1\n");
  }

  TEST_CASE("texts are kept up to kept_total") {
    const Workspace work;
    for (const char* path : {"a", "b", "c"}) work.write(path, "123\n");
    const Snapshot before = work.snapshot({.kept_total = 8});
    CHECK(before.entries.at(0).kept_at == 0);
    CHECK(before.entries.at(1).kept_at == 4);
    CHECK(before.entries.at(2).kept_at == -1);
    for (const char* path : {"a", "b", "c"}) work.write(path, "123\n456\n");
    CHECK(text_of(changes_since(before, test::held(work.dir))) == "M a 1 0\nM b 1 0\nM c -1 -1\n");
    // Twice kept_total is read in the second walk: a and b, of 8 bytes each, use it up.
    CHECK(text_of(changes_since(before, test::held(work.dir), 100, {.kept_total = 8})) ==
          "M a 1 0\nM b 1 0\nM c -1 -1\n");
    CHECK(text_of(changes_since(before, test::held(work.dir), 100, {.kept_total = 4})) ==
          "M a 1 0\nM b -1 -1\nM c -1 -1\n");
  }

  TEST_CASE("a FIFO in the way is not waited for") {
    const Workspace work;
    work.write("file", "1\n");
    REQUIRE(mkfifo(work.at("fifo").c_str(), 0600) == 0);
    const Snapshot before = work.snapshot();
    CHECK(paths_of(before) == "file\n");
    work.remove("file");
    REQUIRE(mkfifo(work.at("file").c_str(), 0600) == 0);
    REQUIRE(mkfifo(work.at("new").c_str(), 0600) == 0);
    CHECK(text_of(changes_since(before, test::held(work.dir))) == "D file 0 1\n");
    // The same when the entry is looked up by its path, after the walk's limit.
    work.write("a", "1\n");
    CHECK(text_of(changes_since(before, test::held(work.dir), 100, {.entries = 0})) == "D file 0 1\n");
  }

  TEST_CASE(".git directories are left out at any depth but a .git file and .github are not") {
    const Workspace work;
    for (const char* path : {".git/config", ".github/ci", "lib/.git/hooks/pre-commit", "lib/code", "sub/.git"}) {
      work.write(path, "1\n");
    }
    const Snapshot before = work.snapshot();
    CHECK(paths_of(before) == ".github/ci\nlib/code\nsub/.git\n");
    work.write(".git/config", "2\n");
    work.write("other/.git/config", "2\n");
    work.write("sub/.git", "2\n");
    CHECK(text_of(changes_since(before, test::held(work.dir))) == "M sub/.git 1 1\n");
  }

  TEST_CASE("beyond the limit before: only what was seen is compared and the answer says so") {
    const Workspace work;
    for (const char* path : {"a", "b/x", "b/y", "c", "d"}) work.write(path, "1\n");
    const SnapshotLimits limits{.entries = 3};
    const Snapshot before = work.snapshot(limits);
    CHECK(before.truncated);
    CHECK(paths_of(before) == "a\nb/x\nb/y\n");
    CHECK(changes_since(before, test::held(work.dir)).truncated);
    CHECK(changes_since(before, test::held(work.dir)).files.empty());
    work.write("a", "2\n");
    work.write("b/new", "1\n");
    work.remove("b/y");
    work.write("c", "2\n");
    work.write("e", "1\n");
    const WorkspaceChanges changes = changes_since(before, test::held(work.dir));
    CHECK(text_of(changes) == "M a 1 1\nA b/new 1 0\nD b/y 0 1\n");
    CHECK(changes.truncated);
    CHECK_FALSE(work.snapshot({.entries = 7}).truncated);
  }

  TEST_CASE("beyond the limit now: a flood of new files hides no change of a known one") {
    const Workspace work;
    for (const char* path : {"src/changed", "src/deleted", "src/deep/gone", "src/same"}) work.write(path, "1\n");
    const Snapshot before = work.snapshot();
    for (int i = 0; i < 30; ++i) work.write("build/" + std::to_string(i), "1\n");
    work.write("build/gone", "what a followed link would find\n");
    work.write("src/changed", "2\n");
    work.remove("src/deleted");
    work.remove("src/deep/gone");
    REQUIRE(rmdir(work.at("src/deep").c_str()) == 0);
    REQUIRE(symlink("../build", work.at("src/deep").c_str()) == 0);
    const WorkspaceChanges changes = changes_since(before, test::held(work.dir), 1000, {.entries = 2});
    CHECK(text_of(changes) ==
          "A build/0 1 0\nA build/1 1 0\nM src/changed 1 1\nD src/deep/gone 0 1\nD src/deleted 0 1\n");
    CHECK(changes.truncated);
  }

  TEST_CASE("max_files bounds the answer") {
    const Workspace work;
    work.write("z", "1\n");
    const Snapshot before = work.snapshot();
    for (int i = 0; i < 5; ++i) work.write("f" + std::to_string(i), "1\n");
    work.remove("z");
    CHECK(changes_since(before, test::held(work.dir), 3).files.size() == 3);
    CHECK(changes_since(before, test::held(work.dir), 3).truncated);
    CHECK(changes_since(before, test::held(work.dir), 5).truncated);
    CHECK(changes_since(before, test::held(work.dir), 6).files.size() == 6);
    CHECK_FALSE(changes_since(before, test::held(work.dir), 6).truncated);
  }

  TEST_CASE("directories and devices without end are bounded too") {
    const Workspace work;
    for (int i = 0; i < 1100; ++i) REQUIRE(mkfifo(work.at("fifo" + std::to_string(i)).c_str(), 0600) == 0);
    work.write("a/file", "1\n");
    CHECK_FALSE(work.snapshot().truncated);
    const Snapshot few = work.snapshot({.entries = 1});
    CHECK(few.truncated);
    CHECK(few.entries.empty());
  }

  TEST_CASE("a tree is followed 128 directories deep and to 4096 bytes of path and the rest is said to be unread") {
    const Workspace work;
    const auto bury = [&](const std::string& name, int depth) {
      UniqueFd at(open(work.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      for (int i = 0; i < depth; ++i) {
        REQUIRE(mkdirat(at.get(), name.c_str(), 0755) == 0);
        at = UniqueFd(openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(at.valid());
        const UniqueFd file(openat(at.get(), "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        REQUIRE(file.valid());
      }
    };
    const Snapshot before = work.snapshot();
    bury("d", 200);
    bury(std::string(255, 'l'), 20);
    const Snapshot deep = work.snapshot();
    CHECK(deep.entries.size() == 127 + 15);
    CHECK(deep.unread.size() == 2);
    CHECK(deep.unread.at(0).size() == 128 * 2);
    CHECK(deep.unread.at(1).size() == 16 * 256);
    CHECK_FALSE(deep.truncated);
    const WorkspaceChanges changes = changes_since(before, test::held(work.dir));
    CHECK(changes.files.size() == 127 + 15);
    CHECK(changes.truncated);
  }

  TEST_CASE("a directory that cannot be read is unknown and neither deleted nor new") {
    const Workspace work;
    work.write("closed/file", "1\n");
    work.write("listed/file", "1\n");
    work.write("open", "1\n");
    const OrdinaryUser user(work);
    const Snapshot open_before = work.snapshot();
    REQUIRE(chmod(work.at("closed").c_str(), 0) == 0);
    REQUIRE(chmod(work.at("listed").c_str(), 0400) == 0);
    CHECK(text_of(changes_since(open_before, test::held(work.dir))).empty());
    CHECK(changes_since(open_before, test::held(work.dir)).truncated);
    const Snapshot closed_before = work.snapshot();
    CHECK(closed_before.unread == std::vector<std::string>{"closed/", "listed/file"});
    for (const char* path : {"closed", "listed"}) REQUIRE(chmod(work.at(path).c_str(), 0755) == 0);
    work.write("open", "2\n");
    CHECK(text_of(changes_since(closed_before, test::held(work.dir))) == "M open 1 1\n");
    CHECK(changes_since(closed_before, test::held(work.dir)).truncated);
  }

  TEST_CASE("names are bytes") {
    const Workspace work;
    const Snapshot before = work.snapshot();
    work.write("line\nfeed", "1\n");
    work.write("\xff\xfe", "1\n");
    CHECK(text_of(changes_since(before, test::held(work.dir))) == "A line\nfeed 1 0\nA \xff\xfe 1 0\n");
  }

  TEST_CASE("without the kept texts the lines are unknown and not wrong") {
    const Workspace work;
    work.write("a", "1\n");
    work.write("b", "1\n");
    const Snapshot before = work.snapshot();
    write_file_atomic(work.keep + "/texts", "1\n");
    work.write("a", "1\n2\n");
    work.write("b", "1\n2\n");
    CHECK(text_of(changes_since(before, test::held(work.dir))) == "M a 1 0\nM b -1 -1\n");
    CHECK(remove_tree(work.keep).empty());
    CHECK(text_of(changes_since(before, test::held(work.dir))) == "M a -1 -1\nM b -1 -1\n");
  }

  TEST_CASE("a workspace that is not there and texts that cannot be kept are errors that name the path") {
    const Workspace work;
    CHECK_THROWS_WITH_AS(take_snapshot(HeldDirectory(), work.keep), doctest::Contains("opening the workspace"), Error);
    const Snapshot before = work.snapshot();
    const HeldDirectory gone = test::held(work.dir);
    REQUIRE(rmdir(work.dir.c_str()) == 0);
    make_directories(work.dir);
    // Another of the same name is not it.
    work.write("file", "");
    CHECK(changes_since(before, gone).files.empty());
    CHECK(text_of(changes_since(before, test::held(work.dir))) == "A file 0 0\n");
    CHECK_THROWS_AS(take_snapshot(test::held(work.dir), work.at("file")), Error);
  }

  TEST_CASE("ten thousand files are all there and one change among them is found") {
    const Workspace work;
    for (int i = 0; i < 10'000; ++i) work.write(std::to_string(i % 100) + "/" + std::to_string(i), "text\n");
    const Snapshot before = work.snapshot();
    CHECK(before.entries.size() == 10'000);
    CHECK(std::is_sorted(before.entries.begin(), before.entries.end(),
                         [](const auto& a, const auto& b) { return a.path < b.path; }));
    work.write("42/4242", "text\nmore\n");
    CHECK(text_of(changes_since(before, test::held(work.dir))) == "M 42/4242 1 0\n");
  }
}
