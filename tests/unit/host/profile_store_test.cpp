// profile_store_test.cpp - where profiles come from, and what a workspace may not be.
#include "launcher/host/profile_store.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;

TEST_CASE("the first directory wins and the built-in ones come last") {
  const Scratch scratch;
  const host::ProfileStore store({scratch / "user", scratch / "system"});
  scratch.write("user/mine.toml", "description = \"u\"\n");
  scratch.write("system/mine.toml", "description = \"s\"\n");
  scratch.write("system/rust.toml", "description = \"ours\"\n");
  scratch.write("system/.hidden.toml", "");
  scratch.write("system/README", "");
  REQUIRE(store.find("mine"));
  CHECK(store.find("mine")->file == scratch / "user/mine.toml");
  CHECK(store.find("rust")->file == scratch / "system/rust.toml");
  REQUIRE(store.find("default"));
  CHECK(store.find("default")->file.find("built-in") != std::string::npos);
  CHECK_FALSE(store.find("nothing-like-that"));
  CHECK_FALSE(store.find(".hidden"));
  CHECK_FALSE(store.find(""));

  const auto entries = store.list();
  const auto place = [&](const std::string& name) {
    const auto found =
        std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.name == name; });
    return found == entries.end() ? std::string("missing") : found->place;
  };
  CHECK(place("mine") == scratch / "user/mine.toml");
  CHECK(place("rust") == scratch / "system/rust.toml");
  CHECK(place("default") == "built-in");
  CHECK(place(".hidden") == "missing");
  CHECK(std::is_sorted(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; }));
  CHECK(store.sources().known.size() == entries.size());
}

TEST_CASE("a name with a slash is a file") {
  const Scratch scratch;
  const host::ProfileStore store({});
  const std::string file = scratch.write("p.toml", "description = \"f\"\n");
  REQUIRE(store.find(file));
  CHECK(store.find(file)->text == "description = \"f\"\n");
  CHECK_FALSE(store.find(scratch / "missing.toml"));
  CHECK_THROWS_AS(store.find(scratch.path() + "/."), Error);
}

TEST_CASE("a workspace's file is read only when it is a plain one") {
  const Scratch scratch;
  CHECK_FALSE(host::workspace_profile(HeldDirectory::resolve(scratch.path())));
  scratch.write("secret", "top = 1\n");
  REQUIRE(symlink("secret", (scratch / "agentvm.toml").c_str()) == 0);
  CHECK_THROWS_AS(host::workspace_profile(HeldDirectory::resolve(scratch.path())), Error);
  unlink((scratch / "agentvm.toml").c_str());
  REQUIRE(mkfifo((scratch / "agentvm.toml").c_str(), 0600) == 0);
  CHECK_THROWS_AS(host::workspace_profile(HeldDirectory::resolve(scratch.path())),
                  Error);  // and does not wait for a writer
  unlink((scratch / "agentvm.toml").c_str());
  scratch.write("agentvm.toml", std::string(vmspec::max_profile_text + 1, '#'));
  CHECK_THROWS_AS(host::workspace_profile(HeldDirectory::resolve(scratch.path())), Error);
  scratch.write("agentvm.toml", "[machine]\n");
  CHECK(host::workspace_profile(HeldDirectory::resolve(scratch.path()))->file == scratch / "agentvm.toml");
}
