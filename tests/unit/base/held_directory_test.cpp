// held_directory_test.cpp - where paths lead, what a held directory keeps, and an attacker who exchanges names
// meanwhile.
#include "base/held_directory.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/unit/base/swapper.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;
using test::Swapper;

namespace {

constexpr int swap_rounds = 200;

std::string read_through(const UniqueFd& fd) {
  if (!fd) return {};
  char buffer[64];
  const ssize_t size = read(fd.get(), buffer, sizeof buffer);
  return size < 0 ? std::string() : std::string(buffer, static_cast<std::size_t>(size));
}

void make_link(const std::string& target, const std::string& link) {
  REQUIRE(symlink(target.c_str(), link.c_str()) == 0);
}

}  // namespace

TEST_CASE("links are followed once and where they were is told") {
  const Scratch scratch;
  scratch.directory("real/below");
  scratch.directory("links");
  make_link("../real", scratch / "links/relative");
  make_link(scratch / "links/relative/below/", scratch / "absolute");
  make_link("turning", scratch / "turning");
  const ResolvedPath found = resolve_path(scratch / "absolute/./../below", false);
  CHECK(found.path == scratch / "real/below");
  CHECK(found.links_in == std::vector<std::string>{scratch.path(), scratch / "links"});
  CHECK(resolve_path(scratch / "real//below/", false).links_in.empty());
  CHECK(resolve_path("/", false).path == "/");
  CHECK(resolve_path("/../usr", false).path == "/usr");
  int error = 0;
  CHECK_THROWS_AS(resolve_path(scratch / "turning", true, &error), Error);
  CHECK(error == ELOOP);
  CHECK_THROWS_AS(resolve_path(scratch / "real/nothing", true, &error), Error);
  CHECK(error == ENOENT);
  CHECK_THROWS_AS(HeldDirectory::resolve(scratch.write("file", "x"), &error), Error);
  CHECK(error == ENOTDIR);
  CHECK_THROWS_AS(resolve_path(scratch / "file/", true, &error), Error);
  CHECK(error == ENOTDIR);
}

TEST_CASE("a link of another user is not followed") {
  if (geteuid() != 0) {
    MESSAGE("skipped: giving a link away takes root");
    return;
  }
  const Scratch scratch;
  scratch.directory("real");
  make_link("real", scratch / "theirs");
  REQUIRE(lchown((scratch / "theirs").c_str(), 4711, 4711) == 0);
  int error = 0;
  CHECK_THROWS_WITH_AS(HeldDirectory::resolve(scratch / "theirs", &error), doctest::Contains("another user (uid 4711)"),
                       Error);
  CHECK(error == EACCES);
  CHECK(resolve_path(scratch / "theirs", true).path == scratch / "real");
}

TEST_CASE("nothing is opened through a link or out of the directory - with openat2 and without") {
  const Scratch scratch;
  scratch.write("in/file", "inside");
  scratch.write("in/deep/er/file", "deeper");
  scratch.write("outside", "outside");
  make_link("../outside", scratch / "in/link");
  make_link("..", scratch / "in/up");
  make_link("deep", scratch / "in/same");
  const HeldDirectory held = HeldDirectory::resolve(scratch / "in");
  struct Case {
    const char* path;
    const char* content;
  };
  for (const Case& one :
       {Case{"file", "inside"}, Case{"deep/er/file", "deeper"}, Case{"./deep//er/./file", "deeper"}, Case{"link", ""},
        Case{"up/outside", ""}, Case{"../outside", ""}, Case{"deep/../../outside", ""}, Case{"same/er/file", ""},
        Case{"/etc/passwd", ""}, Case{"nothing", ""}, Case{"file/x", ""}}) {
    CAPTURE(one.path);
    CHECK(read_through(held.open(one.path, O_RDONLY | O_CLOEXEC)) == one.content);
    CHECK(read_through(open_by_steps(held.fd(), one.path, O_RDONLY | O_CLOEXEC)) == one.content);
  }
  CHECK(read_through(open_by_steps(AT_FDCWD, scratch / "in/file", O_RDONLY | O_CLOEXEC)) == "inside");
  CHECK_FALSE(open_by_steps(AT_FDCWD, scratch / "in/up/outside", O_RDONLY | O_CLOEXEC).valid());
  CHECK_FALSE(open_without_links(AT_FDCWD, scratch / "in/up/outside", O_RDONLY | O_CLOEXEC).valid());
  CHECK(held.link_target("up") == "..");
  CHECK_FALSE(held.link_target("file"));
  CHECK_FALSE(held.link_target("up/outside"));
}

TEST_CASE("a held directory stays what it was when it is renamed and another takes its name") {
  const Scratch scratch;
  scratch.write("work/mark", "mine");
  const HeldDirectory held = HeldDirectory::resolve(scratch / "work");
  REQUIRE(rename((scratch / "work").c_str(), (scratch / "moved").c_str()) == 0);
  scratch.write("work/mark", "theirs");
  CHECK(held.path() == scratch / "work");
  CHECK(read_through(held.open("mark", O_RDONLY | O_CLOEXEC)) == "mine");
  CHECK(read_file(held.through() + "/mark") == "mine");
  held.write_file("report", "text", 0644);
  CHECK(read_file(scratch / "moved/report") == "text");
  CHECK_FALSE(test::exists(scratch / "work/report"));
  CHECK_FALSE(HeldDirectory::resolve(scratch / "work").lies_in(held));
  CHECK(HeldDirectory::resolve(scratch.directory("moved/a/b")).lies_in(held));
  CHECK(held.lies_in(HeldDirectory::resolve("/")));
  CHECK_FALSE(HeldDirectory::resolve("/").lies_in(held));
  CHECK_THROWS_AS(held.write_file("../report", "text", 0644), Error);
}

TEST_CASE("directories are made below a held one - never through a link") {
  const Scratch scratch;
  scratch.directory("out");
  scratch.directory("in/there");
  make_link("../out", scratch / "in/link");
  const HeldDirectory held = HeldDirectory::resolve(scratch / "in");
  std::size_t made = 0;
  held.make_parent_of("there/a/b/file", 0700, &made).write_file("file", "x", 0600);
  CHECK(made == 2);
  CHECK(read_file(scratch / "in/there/a/b/file") == "x");
  CHECK_THROWS_AS(held.make_parent_of("link/a/file", 0700), Error);
  CHECK_THROWS_AS(held.make_parent_of("../out/a/file", 0700), Error);
  CHECK_FALSE(test::exists(scratch / "out/a"));
}

TEST_CASE("who exchanges a directory and a link to a secret one never gets anything of the secret one") {
  if (geteuid() != 0) {
    MESSAGE("skipped: giving a link away takes root");
    return;
  }
  const Scratch scratch;
  scratch.write("secret/mark", "secret");
  scratch.write("parent/work/mark", "mine");
  make_link("../secret", scratch / "parent/evil");
  REQUIRE(lchown((scratch / "parent/evil").c_str(), 4711, 4711) == 0);
  const Swapper swapper(scratch / "parent/work", scratch / "parent/evil");
  int held_rounds = 0;
  int refused = 0;
  while (held_rounds < swap_rounds || refused == 0) {
    HeldDirectory held;
    try {
      held = HeldDirectory::resolve(scratch / "parent/work");
    } catch (const Error&) {
      ++refused;
      continue;
    }
    ++held_rounds;
    swapper.wait_for_swap();
    REQUIRE(read_through(held.open("mark", O_RDONLY | O_CLOEXEC)) == "mine");
    held.write_file("report", "text", 0644);
  }
  CHECK_FALSE(test::exists(scratch / "secret/report"));
}

TEST_CASE("who exchanges two directories cannot make one of them be taken for the other half-way") {
  const Scratch scratch;
  scratch.write("parent/one/mark", "one");
  scratch.write("parent/two/mark", "two");
  const Swapper swapper(scratch / "parent/one", scratch / "parent/two");
  for (int round = 0; round < swap_rounds; ++round) {
    const HeldDirectory held = HeldDirectory::resolve(scratch / "parent/one");
    const std::string first = read_through(held.open("mark", O_RDONLY | O_CLOEXEC));
    held.write_file("written-" + first, "", 0644);
    swapper.wait_for_swap();
    REQUIRE(read_through(held.open("mark", O_RDONLY | O_CLOEXEC)) == first);
    held.write_file("written-" + first, "", 0644);
  }
  for (const char* name : {"one", "two"}) {
    const HeldDirectory held = HeldDirectory::resolve(scratch / "parent" + ("/" + std::string(name)));
    const std::string other = read_through(held.open("mark", O_RDONLY | O_CLOEXEC)) == "one" ? "two" : "one";
    CHECK_FALSE(held.open("written-" + other, O_RDONLY | O_CLOEXEC).valid());
  }
}
