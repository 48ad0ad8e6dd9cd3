// nix_image_test.cpp - when Nix is asked and when not, what is kept, and how failures are told. Nix itself is a fake.
#include "launcher/nix/nix_image.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/nix/build_lock.hpp"
#include "launcher/nix/nix_program.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/nix/fake_nix.hpp"

namespace agentvm::image {

namespace {

using test::has;
using testing::FakeNix;
using testing::some_definition;
using testing::some_manifest;

std::string build(const FakeNix& nix, const vmspec::Definition& definition, bool update = false) {
  return build_nix_image(definition, nix.cache, {.update = update}).root;
}

/// "message | hint" of a build that fails.
std::string failure(const FakeNix& nix, const vmspec::Definition& definition, bool update = false) {
  try {
    build(nix, definition, update);
  } catch (const Error& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "was built";
}

/// Runs `work` where starting a process or a program kills; the signal that ended it, or 0 and what it returned.
template <typename Work>
std::pair<int, int> without_processes(Work work) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    for (const int call :
         {SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(execve), SCMP_SYS(execveat)}) {
      seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, call, 0);
    }
    if (seccomp_load(filter) != 0) _exit(99);
    _exit(work() ? 1 : 2);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? std::pair(WTERMSIG(status), 0) : std::pair(0, WEXITSTATUS(status));
}

void make_file(const std::string& path) {
  make_directories(path.substr(0, path.rfind('/')));
  write_file_atomic(path, "");
}

std::size_t links_in(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) count += entry.is_symlink() ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("a definition is built once and found again without Nix") {
  const FakeNix nix;
  CHECK_FALSE(find_nix_image(some_definition(), nix.cache));
  const std::string root = build(nix, some_definition());
  CHECK(nix.called() == "flake, build");
  CHECK(std::filesystem::is_symlink(root));
  CHECK(root.starts_with(nix.cache + "/nix/roots/"));
  CHECK(read_file(nix.cache + "/nix/rust/definition/modules/1-a.nix") == "{ }\n");

  CHECK(build(nix, some_definition()) == root);
  const auto found = find_nix_image(some_definition(), nix.cache);
  REQUIRE(found);
  CHECK(found->root == root);
  CHECK(found->manifest == parse_nix_manifest(some_manifest()));
  CHECK(nix.called() == "");
}

TEST_CASE("a lookup starts no process at all") {
  const FakeNix nix;
  const auto look = [&] { return find_nix_image(some_definition(), nix.cache).has_value(); };
  CHECK(without_processes(look) == std::pair(0, 2));
  const auto build_it = [&] { return !build(nix, some_definition()).empty(); };
  CHECK(without_processes(build_it).first == SIGSYS);  // the filter does what it is for
  build(nix, some_definition());
  CHECK(without_processes(look) == std::pair(0, 1));
  CHECK(without_processes(build_it) == std::pair(0, 1));
}

TEST_CASE("another text is another guest with the same inputs") {
  const FakeNix nix;
  const std::string one = build(nix, some_definition());
  const std::string lock = read_file(nix.cache + "/nix/rust/flake.lock");
  const std::string other = build(nix, some_definition("{ changed = true; }\n"));
  CHECK(other != one);
  CHECK(read_file(nix.cache + "/nix/rust/flake.lock") == lock);
  nix.called();
  CHECK(build(nix, some_definition()) == one);
  CHECK(nix.called() == "");
}

TEST_CASE("an update locks the inputs anew") {
  const FakeNix nix;
  const std::string before = build(nix, some_definition());
  const std::string lock = read_file(nix.cache + "/nix/rust/flake.lock");
  nix.called();
  const std::string after = build(nix, some_definition(), true);
  CHECK(nix.called() == "flake, build");
  CHECK(after != before);
  CHECK(read_file(nix.cache + "/nix/rust/flake.lock") != lock);
  CHECK(find_nix_image(some_definition(), nix.cache)->root == after);
}

TEST_CASE("a failed update leaves what was there") {
  const FakeNix nix;
  const std::string before = build(nix, some_definition());
  nix.behave("[ \"$1\" != build ] || { echo 'error: builder for X failed with exit code 2' >&2; exit 1; }\n");
  const std::string told = failure(nix, some_definition(), true);
  CHECK(has(told, "'rust'"));
  CHECK(has(told, "builder for X failed with exit code 2"));
  CHECK(has(told, nix.cache + "/nix/rust/build.log"));
  CHECK(find_nix_image(some_definition(), nix.cache)->root == before);
}

TEST_CASE("without a network it says so") {
  const FakeNix nix;
  nix.behave(
      "echo \"warning: error: unable to download 'https://x.org': Could not resolve host: x.org (6)\" >&2\n"
      "printf '\\033[31;1merror:\\033[0m unable to download https://x.org: Could not resolve host\\n' >&2; exit 1\n");
  const std::string told = failure(nix, some_definition());
  CHECK(has(told, "could not be fetched: unable to download https://x.org"));
  CHECK(has(told, "needs the network"));
  CHECK(has(told, "build.log"));
  CHECK_FALSE(has(told, "\n"));
  CHECK_FALSE(has(told, "\x1b"));
  CHECK(has(read_file(nix.cache + "/nix/rust/build.log"), "Could not resolve host"));
}

TEST_CASE("without Nix it says where to get it") {
  const FakeNix nix;
  remove_tree(nix.root + "/bin/nix");
  CHECK(has(failure(nix, some_definition()), "no `nix` on PATH"));
}

TEST_CASE("what Nix says is passed on line by line without what drives a terminal") {
  const FakeNix nix;
  std::vector<std::string> lines;
  build_nix_image(some_definition(), nix.cache, {.progress = [&](std::string_view line) { lines.emplace_back(line); }});
  CHECK(lines == std::vector<std::string>{"locking inputs", "building", "done"});
}

TEST_CASE("a manifest that is none is told with its place") {
  const FakeNix nix;
  nix.serve_manifest("{}");
  const std::string told = failure(nix, some_definition());
  CHECK(has(told, nix.cache + "/nix/roots/"));
  CHECK(has(told, "version"));
}

TEST_CASE("a root that leads nowhere is built again") {
  const FakeNix nix;
  const std::string root = build(nix, some_definition());
  remove_tree(nix.root + "/store");
  nix.called();
  CHECK_FALSE(find_nix_image(some_definition(), nix.cache));
  CHECK(build(nix, some_definition()) == root);
  CHECK(nix.called() == "flake, build");
}

TEST_CASE("the plan's guest: what this host opens lies in its store and the rest is the guest's") {
  NixImage image{"/cache/nix/roots/k", parse_nix_manifest(some_manifest())};
  const FakeNix nix;
  const std::string store = nix.root + "/host/store";
  for (const char* file : {"/k/bzImage", "/k-dev/vmlinux", "/i/initrd", "/d"}) make_file(store + file);
  vmspec::NixGuest guest = nix_guest(image, store);
  CHECK(guest.built);
  CHECK(guest.gc_root == "/cache/nix/roots/k");
  CHECK(guest.kernel_image == store + "/k/bzImage");
  CHECK(guest.kernel_elf == store + "/k-dev/vmlinux");
  CHECK(guest.initrd == store + "/i/initrd");
  CHECK(guest.store == store);
  CHECK(guest.store_disk.empty());
  CHECK(guest.kernel_params == std::vector<std::string>{"console=hvc0", "init=/nix/store/s/init"});
  CHECK(guest.shell == "/nix/store/b/bin/bash");
  CHECK(guest.agent == "/nix/store/c/bin/codex");
  image.manifest.kernel_params = {"quiet"};
  image.manifest.kernel_elf.reset();
  image.manifest.store_disk = "/nix/store/d";
  guest = nix_guest(image, store);
  CHECK(guest.kernel_params == std::vector<std::string>{"quiet", "init=/nix/store/s/init"});
  CHECK(guest.kernel_elf.empty());
  CHECK(guest.store.empty());
  CHECK(guest.store_disk == store + "/d");
}

TEST_CASE("a link in the store gives no guest a file from elsewhere") {
  namespace fs = std::filesystem;
  const NixImage image{"/cache/nix/roots/k", parse_nix_manifest(some_manifest())};
  const FakeNix nix;
  const std::string store = nix.root + "/store";
  const std::string initrd = store + "/i/initrd";
  for (const char* file : {"/k/bzImage", "/k-dev/vmlinux", "/j/initrd"}) make_file(store + file);
  make_file(nix.root + "/secret");
  make_file(nix.root + "/store-beside/initrd");
  make_directories(store + "/i");
  const auto told = [&](const fs::path& target) {
    fs::remove(initrd);
    fs::create_symlink(target, initrd);
    try {
      nix_guest(image, store);
    } catch (const Error& error) {
      return std::string(error.what()) + " | " + error.hint();
    }
    return std::string("was taken");
  };
  CHECK(told(store + "/j/initrd") == "was taken");
  CHECK(told("../j/initrd") == "was taken");
  CHECK(has(told(nix.root + "/secret"), initrd + ", which leads out of the store, to " + nix.root + "/secret"));
  CHECK(has(told("../../secret"), "leads out of the store"));
  CHECK(has(told(nix.root + "/store-beside/initrd"), "leads out of the store"));
  CHECK(has(told("/dev/zero"), "leads out of the store, to /dev/zero"));
  // A store that was cleaned by hand: Nix would not notice.
  CHECK(
      has(told(store + "/gone"), initrd + ", which cannot be found: No such file or directory | `nix-store --verify"));
  // A store behind a link is the store.
  fs::create_directory_symlink(store, nix.root + "/link");
  told(store + "/j/initrd");
  CHECK(nix_guest(image, nix.root + "/link").initrd == nix.root + "/link/i/initrd");
}

TEST_CASE("a guest that somebody else had built is taken as it is when it lies in the store") {
  const FakeNix nix;
  const std::string store = nix.cache + "/store";
  const auto words = [&store](const std::string& path) {
    try {
      return given_nix_image(path, store).root;
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  make_file(store + "/empty/file");
  make_file(store + "/broken/manifest.json");
  make_file(nix.cache + "/elsewhere/manifest.json");
  make_file(store + "/work/manifest.json");
  write_file_atomic(store + "/work/manifest.json", some_manifest());
  CHECK(words(store + "/work") == store + "/work");
  CHECK(given_nix_image(store + "/work", store).manifest == parse_nix_manifest(some_manifest()));
  CHECK(has(words(store + "/empty"), "/empty has no manifest.json"));
  CHECK(has(words(store + "/broken"), store + "/broken: "));
  CHECK(has(words(store + "/none"), "cannot be found"));
  CHECK(has(words(nix.cache + "/elsewhere"), "leads out of the store"));
  CHECK(nix.called() == "");
}

TEST_CASE("many who ask at once have it built once") {
  const FakeNix nix;
  std::vector<std::thread> threads;
  std::array<std::string, 4> roots;
  for (std::string& root : roots) {
    threads.emplace_back([&root, &nix] { root = build_nix_image(some_definition(), nix.cache, {}).root; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& root : roots) CHECK(root == roots.front());
  CHECK(nix.called() == "flake, build");
}

TEST_CASE("who waits for somebody else's build is told so") {
  const FakeNix nix;
  auto held = std::make_optional(lock_build(nix.cache + "/nix/rust/lock"));
  std::promise<std::string> first;
  bool said = false;
  std::thread building([&] {
    build_nix_image(some_definition(), nix.cache, {.progress = [&](std::string_view line) {
                      if (!std::exchange(said, true)) first.set_value(std::string(line));
                    }});
  });
  CHECK(first.get_future().get() == "another agentvm is already building this; waiting");
  CHECK(nix.called() == "");
  held.reset();
  building.join();
  CHECK(nix.called() == "flake, build");
}

TEST_CASE("roots nobody used lately go but not the last one") {
  const FakeNix nix;
  const std::string one = build(nix, some_definition("1"));
  const std::string two = build(nix, some_definition("2"));
  const std::string three = build(nix, some_definition("3"));
  const auto age = [](const std::string& path, std::time_t seconds) {
    const timespec times[2] = {{0, UTIME_OMIT}, {time(nullptr) - seconds, 0}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
  };
  age(one, 50 * 3600);
  age(two, 60 * 3600);
  age(three, 70 * 3600);
  CHECK(prune_nix_images(nix.cache, std::chrono::hours(100), false).empty());
  const auto planned = prune_nix_images(nix.cache, std::chrono::hours(24), true);
  CHECK(planned == std::vector<std::string>{two, three});
  CHECK(prune_nix_images(nix.cache, std::chrono::hours(24), true, {two}) == std::vector<std::string>{three});
  CHECK(links_in(nix.cache + "/nix/roots") == 3);
  // A lookup is a use.
  CHECK(find_nix_image(some_definition("3"), nix.cache));
  CHECK(prune_nix_images(nix.cache, std::chrono::hours(24), false) == std::vector<std::string>{one, two});
  CHECK(links_in(nix.cache + "/nix/roots") == 1);
  CHECK(find_nix_image(some_definition("3"), nix.cache));
  remove_tree(nix.root + "/store");
  CHECK(prune_nix_images(nix.cache, std::chrono::hours(24), false) == std::vector<std::string>{three});
}

TEST_CASE("of all that Nix says the complaint is shown") {
  CHECK(nix_complaint("warning: x\nerror: one\n\n       at /nix/store/y:1:2:\n") == "one");
  CHECK(nix_complaint("error:\n       … while evaluating\n\n       error: attribute 'x' missing\n") ==
        "attribute 'x' missing");
  CHECK(nix_complaint("error:\n   the text below\n   more\n") == "the text below");
  CHECK(nix_complaint("something\nlast words\n") == "last words");
  CHECK(nix_complaint("\x1b[31;1merror:\x1b[0m \x1b]0;evil\x07red") == "red");
  CHECK(nix_complaint(
            "error: builder for 'x.drv' failed with exit code 2;\n   last 2 log lines:\n   > first\n   > no luck\n"
            "   For full logs, run 'nix log x.drv'.\nerror: 1 dependencies of derivation 'y.drv' failed to build\n") ==
        "builder for 'x.drv' failed with exit code 2: no luck");
  CHECK(nix_complaint("error: builder for 'x.drv' failed with exit code 2;\n") ==
        "builder for 'x.drv' failed with exit code 2");
  CHECK(nix_complaint(
            "x> one\ny-1> no luck\nz> two\nerror: builder for '/nix/store/h-y-1.drv' failed with exit code 2\n") ==
        "builder for '/nix/store/h-y-1.drv' failed with exit code 2: no luck");
  CHECK(nix_complaint("") == "");
  CHECK(nix_complaint(std::string(10000, 'x')).size() == 400);
}

}  // namespace agentvm::image
