// git_identity_test.cpp - a name and an address out of the caller's own Git configuration.
#include "launcher/host/git_identity.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/startable.hpp"
#include "launcher/host/git_config.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using agentvm::test::has;
using host::git_identity;
using host::means_gitdir;
using test::Scratch;
using test::Variable;

namespace {

struct GitWorld {
  Scratch scratch;
  Variable home{"HOME", scratch.path().c_str()};
  Variable config{"XDG_CONFIG_HOME", nullptr};
  Variable only{"GIT_CONFIG_GLOBAL", nullptr};
  std::string workspace = scratch / "work/app";

  std::string who() const {
    const auto identity = git_identity(workspace);
    return identity.name + " <" + identity.email + ">";
  }
};

std::string value_of(const std::string& line) {
  std::string value;
  host::read_git_config("[user]\n" + line, [&](const host::GitSetting& setting) { value = setting.value; });
  return value;
}

}  // namespace

TEST_CASE("values of a Git configuration are unquoted as Git does it") {
  CHECK(value_of("name = Ann Other  # not this") == "Ann Other");
  CHECK(value_of("name = \"Ann; O # \\\"A\\\"\" ; but not this") == "Ann; O # \"A\"");
  CHECK(value_of("name = a\\\\b\\tc\\nd") == "a\\b\tc\nd");
  CHECK(value_of("NAME=A \\\n B") == "A  B");
  CHECK(value_of("name = J\xc3\xbcrgen") == "J\xc3\xbcrgen");
}

TEST_CASE("the later file and the later line win and other sections say nothing") {
  const GitWorld world;
  CHECK(world.who() == " <>");
  world.scratch.write(".config/git/config", "[user]\nname = First\nemail = first@x\n");
  CHECK(world.who() == "First <first@x>");
  world.scratch.write(
      ".gitconfig",
      "[User]\n\tNAME = Second\n[user \"other\"]\nname = no\n[author]\nname = no\n[user]\nname = Third\n");
  CHECK(world.who() == "Third <first@x>");
  const Variable elsewhere("XDG_CONFIG_HOME", (world.scratch / "xdg").c_str());
  CHECK(world.who() == "Third <>");
}

TEST_CASE("GIT_CONFIG_GLOBAL stands for both files and may say that there is none") {
  const GitWorld world;
  world.scratch.write(".gitconfig", "[user]\nname = Mine\n");
  const std::string other = world.scratch.write("other", "[user]\nname = Other\n");
  {
    const Variable only("GIT_CONFIG_GLOBAL", other.c_str());
    CHECK(world.who() == "Other <>");
  }
  for (const char* none : {"", "/dev/null", "/nonexistent"}) {
    const Variable only("GIT_CONFIG_GLOBAL", none);
    CHECK(world.who() == " <>");
  }
}

TEST_CASE("includes are read where they stand and those by gitdir when the workspace is meant") {
  const GitWorld world;
  world.scratch.write("git/work", "[user]\nemail = me@work\n");
  world.scratch.write("git/more", "[user]\nname = More\n[include]\npath = work\n");
  world.scratch.write(
      ".gitconfig",
      "[user]\nname = Me\nemail = me@home\n[includeIf \"gitdir:~/work/\"]\npath = ~/git/work\n"
      "[includeIf \"gitdir:~/play/\"]\npath = ~/git/more\n[includeIf \"onbranch:main\"]\npath = git/more\n");
  CHECK(world.who() == "Me <me@work>");
  world.scratch.write(".gitconfig", "[include]\npath = git/more\npath = /nonexistent\n[user]\nname = Last\n");
  CHECK(world.who() == "Last <me@work>");
  world.scratch.write(".gitconfig", "[include]\npath = .gitconfig\npath = .gitconfig\n[user]\nname = Loop\n");
  CHECK(world.who() == "Loop <>");
}

TEST_CASE("what a condition by gitdir means") {
  const auto means = [](const std::string& pattern) {
    return means_gitdir(pattern, "/h/work/app/.git", "/h/c/x", "/h");
  };
  for (const char* pattern : {"~/work/", "~/work/app/", "~/work/**", "/h/work/app/.git", "work/", "app/.git",
                              "~/*/app/", "~/**/.git", "/h/**/work/app/", "../", "~/w?rk/", "~/wor\\k/"}) {
    CAPTURE(pattern);
    CHECK(means(pattern) == (std::string(pattern) != "../"));
  }
  for (const char* pattern : {"~/wor/", "~/work", "work", "~/*/.git", "~/WORK/", "~/[w]ork/", "./work/", "~/w?", "/"}) {
    CAPTURE(pattern);
    CHECK(means(pattern) == (std::string(pattern) == "/"));
  }
  CHECK(means_gitdir("./app/", "/h/work/app/.git", "/h/work/config", "/h"));
  // Ends at its limit, not after 40^20 steps.
  std::string stars = "/";
  for (int i = 0; i < 40; ++i) stars += "*a";
  CHECK_FALSE(means_gitdir(stars + "b", "/" + std::string(200, 'a'), "/h/c/x", "/h"));
}

TEST_CASE("what is no ordinary file or a guest may have written is not read") {
  const GitWorld world;
  REQUIRE(mkfifo((world.scratch / ".gitconfig").c_str(), 0600) == 0);
  CHECK(world.who() == " <>");
  REQUIRE(unlink((world.scratch / ".gitconfig").c_str()) == 0);

  const std::string dotfiles = world.scratch.write("dotfiles/gitconfig", "[user]\nname = The Guest\n");
  REQUIRE(symlink(dotfiles.c_str(), (world.scratch / ".gitconfig").c_str()) == 0);
  CHECK(world.who() == "The Guest <>");
  never_start_from({world.scratch / "dotfiles"});
  CHECK(world.who() == " <>");
  REQUIRE(git_identity(world.workspace).unread.size() == 1);
  CHECK(has(git_identity(world.workspace).unread.front(), "a guest may write in " + world.scratch / "dotfiles"));
  // Nor when the user's own file includes it.
  REQUIRE(unlink((world.scratch / ".gitconfig").c_str()) == 0);
  world.scratch.write(".gitconfig", "[user]\nname = Me\n[include]\npath = dotfiles/gitconfig\n");
  CHECK(world.who() == "Me <>");
}
