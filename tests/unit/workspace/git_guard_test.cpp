// git_guard_test.cpp - what an agent can plant in a repository for the host's Git to run, found without running any.
#include "launcher/workspace/git_guard.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::workspace {

namespace {

using Settings = std::set<std::string>;

struct Repository {
  std::string root = "/tmp/agentvm-git-guard-XXXXXX";
  UniqueFd directory;

  Repository() {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    directory.reset(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    write(".git/HEAD", "ref: refs/heads/main\n");
    write(".git/config", "[core]\n\tbare = false\n");
    write(".git/hooks/pre-commit.sample", "#!/bin/sh\n");
  }
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;
  ~Repository() { remove_tree(root); }

  void write(const std::string& path, const std::string& text, unsigned mode = 0644) const {
    const std::string whole = root + "/" + path;
    make_directories(whole.substr(0, whole.rfind('/')));
    write_file_atomic(whole, text, static_cast<mode_t>(mode));
  }
  GitPlaces look() const { return git_places(directory.get()); }
};

std::vector<std::string> lines(const std::vector<GitChange>& changes) {
  std::vector<std::string> out;
  for (const GitChange& change : changes) out.push_back(change.path + " " + change.reason);
  return out;
}

}  // namespace

TEST_CASE("hooks and settings that execute are changes: a branch - a name and a commit are none") {
  const Repository repository;
  const GitPlaces before = repository.look();
  repository.write(".git/config", "[core]\n\tbare = false\n[branch \"x\"]\n\tremote = origin\n[user]\n\tname = A\n");
  repository.write(".git/refs/heads/x", "0");
  repository.write(".git/index", "DIRC");
  CHECK(git_changes(before, repository.look()).empty());
  repository.write(".git/hooks/post-checkout", "#!/bin/sh\n", 0755);
  repository.write(".git/config", "[core]\n\tfsmonitor = touch /tmp/x\n");
  repository.write(".git/info/attributes", "* filter=x\n");
  CHECK(lines(git_changes(before, repository.look())) ==
        std::vector<std::string>{".git/config now says core.fsmonitor=touch /tmp/x",
                                 ".git/hooks/post-checkout is a new hook",
                                 ".git/info/attributes is a new place that Git takes its directions from"});
  const GitPlaces after = repository.look();
  repository.write(".git/hooks/post-checkout", "#!/bin/xx\n", 0755);
  CHECK(lines(git_changes(after, repository.look())) ==
        std::vector<std::string>{".git/hooks/post-checkout is a hook and was changed"});
  CHECK_MESSAGE(git_changes(after, before).empty(), "what is gone executes nothing");
}

TEST_CASE("links - worktrees - submodules and a .git that is a file") {
  const Repository repository;
  const GitPlaces before = repository.look();
  remove_tree(repository.root + "/.git/hooks");
  REQUIRE(symlink("../tools", (repository.root + "/.git/hooks").c_str()) == 0);
  repository.write(".git/worktrees/w/config.worktree", "[core]\n\thooksPath = /tmp\n");
  repository.write(".git/modules/lib/a/HEAD", "x");
  repository.write(".git/modules/lib/a/hooks/pre-push", "x");
  CHECK(lines(git_changes(before, repository.look())) ==
        std::vector<std::string>{".git/hooks is a new hook", ".git/modules/lib/a/hooks/pre-push is a new hook",
                                 ".git/worktrees/w/config.worktree now says core.hookspath=/tmp"});
  const GitPlaces linked = repository.look();
  remove_tree(repository.root + "/.git");
  repository.write(".git", "gitdir: elsewhere\n");
  CHECK(lines(git_changes(linked, repository.look())) ==
        std::vector<std::string>{".git is a new place that Git takes its directions from"});
  remove_tree(repository.root + "/.git");
  REQUIRE(symlink("/etc", (repository.root + "/.git").c_str()) == 0);
  CHECK(git_changes(linked, repository.look()).size() == 1);
  CHECK(repository.look().size() == 1);
}

TEST_CASE("a fifo and a configuration without end are not waited for") {
  const Repository repository;
  const GitPlaces before = repository.look();
  remove_tree(repository.root + "/.git/config");
  REQUIRE(mkfifo((repository.root + "/.git/config").c_str(), 0600) == 0);
  CHECK(git_changes(before, repository.look()).size() == 1);
  repository.write(".git/config.worktree", "");
  REQUIRE(truncate((repository.root + "/.git/config.worktree").c_str(), off_t{1} << 40) == 0);
  CHECK(git_changes(before, repository.look()).size() == 2);
}

TEST_CASE("settings that execute - in every way that Git reads them") {
  CHECK(executing_settings("[core]\nfsmonitor=x") == Settings{"core.fsmonitor=x"});
  CHECK(executing_settings("[CORE] FsMonitor = \"a b\" # no\n") == Settings{"core.fsmonitor=a b"});
  CHECK(executing_settings("\xef\xbb\xbf[core]\r\n\tsshCommand = a \\\r\n b\r\n") == Settings{"core.sshcommand=a  b"});
  CHECK(executing_settings("[filter \"x y\"]\n smudge = s\n clean = c\n required\n") ==
        Settings{"filter.x y.clean=c", "filter.x y.smudge=s"});
  CHECK(executing_settings("[filter.x]\nprocess=p") == Settings{"filter.x.process=p"});
  CHECK(executing_settings("[alias]\nst = status\nx = !sh\ny = \"!sh\"") == Settings{"alias.x=!sh", "alias.y=!sh"});
  CHECK(executing_settings("[includeIf \"gitdir:/\"]\npath = ../x") == Settings{"includeif.gitdir:/.path=../x"});
  CHECK(executing_settings("[pager]\nlog\n[a \"]\"] b=1\n[core]\npager=p") ==
        Settings{"core.pager=p", "pager.log=true"});
  CHECK(executing_settings("# [core]\n; fsmonitor=x\n[user]\nname = \"core.fsmonitor=x\"\n[remote \"o\"]\nurl = x")
            .empty());
  CHECK(executing_settings("[core]\nfsmonitor=" + std::string(5000, 'x')).begin()->size() == 215);
}

}  // namespace agentvm::workspace
