// devshell_test.cpp - when Nix is asked and when not, what is kept, and how failures are told. bubblewrap is a fake.
#include "launcher/nix/devshell.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "launcher/nix/flake_copy.hpp"
#include "launcher/state/identity.hpp"
#include "launcher/state/vm_directory.hpp"
#include "tests/unit/has.hpp"

namespace agentvm::devshell {

using test::has;

namespace {

/// A workspace with a flake, a cache, and a bubblewrap that answers as a test tells it to.
struct FakeBubblewrap {
  std::string root = "/tmp/agentvm-devshell-test-XXXXXX";
  std::string workspace, cache, path_before;

  FakeBubblewrap() {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    workspace = root + "/ws";
    cache = root + "/cache";
    make_directories(workspace);
    make_directories(root + "/bin");
    write_file_atomic(workspace + "/flake.nix", "{ }");
    write_file_atomic(root + "/bin/nix", "#!/bin/sh\n", 0755);
    const char* path = getenv("PATH");
    path_before = path == nullptr ? "" : path;
    setenv("PATH", (root + "/bin:" + path_before).c_str(), 1);
    behave("");
  }
  FakeBubblewrap(const FakeBubblewrap&) = delete;
  FakeBubblewrap& operator=(const FakeBubblewrap&) = delete;
  ~FakeBubblewrap() {
    setenv("PATH", path_before.c_str(), 1);
    remove_tree(root);
  }

  void behave(const std::string& script) const {
    write_file_atomic(root + "/bwrap",
                      "#!/bin/sh\nPATH=/usr/bin:/bin\necho called >>" + root + "/calls\n" + script + R"(
while [ "$1" != --profile ]; do shift; done
mkdir -p )" + root + R"(/store/env && ln -sfn )" +
                          root + R"(/store/env "$2"
echo '{"variables": {"FOO": {"type": "exported", "value": "bar"}, "PATH": {"type": "exported", "value": "/x"}}}'
)",
                      0755);
  }
  vmspec::DevShell build(bool again = false) const {
    const auto host = [this](const sandbox::GuestPlaces&) {
      NixSandbox here;
      here.nix = root + "/bin/nix";
      return here;
    };
    return build_devshell(HeldDirectory::resolve(workspace), cache,
                          {.bubblewrap = root + "/bwrap", .again = again, .host = host});
  }
  std::string build_failure() const {
    try {
      build();
    } catch (const Error& error) {
      return std::string(error.what()) + " | " + error.hint();
    }
    return "was built";
  }
  std::size_t calls() const {
    const std::string text = read_file_if_exists(root + "/calls").value_or("");
    remove_tree(root + "/calls");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  std::vector<std::string> prune(bool dry_run = false, const std::set<std::string>& used = {}) const {
    return prune_devshells(cache, std::chrono::hours(24), dry_run, used);
  }
  void age(const std::string& path) const {
    const timespec times[2] = {{1000, 0}, {1000, 0}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  }
};

}  // namespace

TEST_CASE("a devShell is built once and found without Nix and built again when its flake changes") {
  const FakeBubblewrap fake;
  CHECK_FALSE(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache));
  const vmspec::DevShell built = fake.build();
  CHECK(built.built);
  CHECK(built.environment == std::map<std::string, std::string>{{"FOO", "bar"}});
  CHECK(built.path == "/x");
  CHECK(std::filesystem::exists(built.gc_root));
  CHECK(fake.calls() == 1);
  CHECK(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache) == built);
  CHECK(fake.build() == built);
  CHECK(fake.calls() == 0);
  CHECK(fake.build(true) == built);
  CHECK(fake.calls() == 1);
  write_file_atomic(fake.workspace + "/flake.lock", "{}");
  CHECK_FALSE(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache));
  CHECK(fake.build().gc_root != built.gc_root);
  CHECK(fake.calls() == 1);
}

TEST_CASE("a devShell whose packages are gone is built again") {
  const FakeBubblewrap fake;
  fake.build();
  remove_tree(fake.root + "/store");
  CHECK_FALSE(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache));
  fake.build();
  CHECK(fake.calls() == 2);
}

TEST_CASE("a devShell is kept under what it was made of though the workspace changes while it is built") {
  const FakeBubblewrap fake;
  // An agent at work puts the file it was built of back when the build begins.
  write_file_atomic(fake.workspace + "/flake.nix", "{ evil }");
  fake.behave("echo '{ }' | tr -d '\\n' >" + fake.workspace + "/flake.nix");
  fake.build();
  CHECK(read_file(fake.workspace + "/flake.nix") == "{ }");
  CHECK_FALSE(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache));
  write_file_atomic(fake.workspace + "/flake.nix", "{ evil }");
  CHECK(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache));
  CHECK(std::filesystem::directory_iterator(fake.cache + "/devshells") != std::filesystem::directory_iterator());
  for (const auto& entry : std::filesystem::directory_iterator(fake.cache + "/devshells")) {
    CHECK_FALSE(entry.path().filename().string().starts_with("unfinished"));
  }
}

TEST_CASE("a record of a devShell that is damaged or another version's is made again") {
  const FakeBubblewrap fake;
  const vmspec::DevShell built = fake.build();
  const std::string record = std::filesystem::path(built.gc_root).parent_path().parent_path() / "shell.json";
  for (const char* text : {"", "{", "[]", R"({"version": 2})", R"({"version": 1, "environment": 3})"}) {
    CAPTURE(text);
    write_file_atomic(record, text);
    CHECK_FALSE(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache));
    CHECK(fake.build() == built);
  }
}

TEST_CASE("flake.lock must be a file because Nix reads it whole") {
  const FakeBubblewrap fake;
  REQUIRE(symlink("/dev/zero", (fake.workspace + "/flake.lock").c_str()) == 0);
  CHECK(has(fake.build_failure(), fake.workspace + "/flake.lock must be a file of at most 16 MiB"));
  CHECK(fake.calls() == 0);
}

TEST_CASE("a devShell that cannot be built is one message and what was there stays") {
  const FakeBubblewrap fake;
  fake.build();
  fake.behave("echo 'error: attribute devShells missing' >&2; exit 1");
  write_file_atomic(fake.workspace + "/flake.nix", "{ broken");
  const std::string message = fake.build_failure();
  CHECK(has(message, "the devShell of " + fake.workspace + " could not be built: attribute devShells missing | "));
  CHECK(has(message, "/build.log"));
  write_file_atomic(fake.workspace + "/flake.nix", "{ }");
  CHECK(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache));
  write_file_atomic(fake.workspace + "/flake.nix", "{ other");
  fake.behave("echo \"error: executing 'git': No such file or directory\" >&2; exit 1");
  CHECK(has(fake.build_failure(), "fetched without Git and Mercurial: use github:"));
  fake.behave("echo rubbish; exit 0");
  CHECK(has(fake.build_failure(), "did not return a devShell: it is not a JSON object"));
  CHECK_FALSE(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache));
}

TEST_CASE("two who want the same devShell build it once") {
  const FakeBubblewrap fake;
  fake.behave("sleep 0.3");
  std::thread other([&fake] { fake.build(); });
  fake.build();
  other.join();
  CHECK(fake.calls() == 1);
}

TEST_CASE("a copy of a flake whose owner was killed goes with its processes and no other does") {
  const FakeBubblewrap fake;
  const std::string all = fake.cache + "/devshells";
  const FlakeCopy living(HeldDirectory::resolve(fake.workspace), all);
  const std::string dead = all + "/unfinished.abcdef";
  const std::string barely = all + "/begun.abcdef";
  make_directories(barely);
  CHECK_MESSAGE(fake.prune().empty(), "it may be about to be locked");
  fake.age(barely);
  CHECK(fake.prune() == std::vector<std::string>{barely});
  make_directories(dead + "/flake");
  const std::string uuid = state::random_uuid();
  write_file_atomic(dead + "/uuid", uuid);
  write_file_atomic(dead + "/lock", "");
  const auto start = [](const std::string& instance) {
    return spawn({.program = "/bin/sleep", .args = {"1000"}, .environment = {{{state::instance_variable, instance}}}});
  };
  ChildProcess left = start(uuid);
  ChildProcess other = start(living.uuid());
  CHECK(fake.prune(true) == std::vector<std::string>{dead});
  CHECK_FALSE(left.wait(std::chrono::milliseconds(0)));
  CHECK(fake.prune() == std::vector<std::string>{dead});
  CHECK(left.wait(std::chrono::seconds(5)));
  CHECK_FALSE(other.wait(std::chrono::milliseconds(0)));
  CHECK(std::filesystem::exists(living.place() + "/flake.nix"));
}

TEST_CASE("what was fetched for one build is nobody else's and goes with it") {
  const FakeBubblewrap fake;
  fake.behave("echo $XDG_CACHE_HOME >>" + fake.root + "/fetched; touch $XDG_CACHE_HOME/mark");
  fake.build();
  write_file_atomic(fake.workspace + "/flake.nix", "{ other }");
  fake.build();
  const std::string places = read_file(fake.root + "/fetched");
  const std::string first = places.substr(0, places.find('\n'));
  CHECK(first.starts_with(fake.cache + "/devshells/unfinished."));
  CHECK(places.substr(first.size() + 1) != first + "\n");
  CHECK_FALSE(std::filesystem::exists(first));
}

TEST_CASE("devShells that nobody used go and none that is used") {
  const FakeBubblewrap fake;
  CHECK(fake.prune().empty());
  const vmspec::DevShell built = fake.build();
  const std::string own = std::filesystem::path(built.gc_root).parent_path().parent_path();
  CHECK(fake.prune().empty());
  fake.age(own + "/shell.json");
  CHECK(fake.prune(false, {built.gc_root}).empty());
  CHECK(fake.prune(true) == std::vector<std::string>{own});
  CHECK(find_devshell(HeldDirectory::resolve(fake.workspace), fake.cache));
  CHECK_MESSAGE(fake.prune().empty(), "a lookup is a use");
  fake.age(own + "/shell.json");
  {
    const auto held = FileLock::try_acquire(own + "/lock");
    CHECK(held);
    CHECK(fake.prune().empty());
  }
  CHECK(fake.prune() == std::vector<std::string>{own});
  CHECK_FALSE(std::filesystem::exists(own));
  CHECK(std::filesystem::exists(fake.root + "/store/env"));
}

}  // namespace agentvm::devshell
