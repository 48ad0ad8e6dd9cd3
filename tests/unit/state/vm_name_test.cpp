// vm_name_test.cpp - names of VMs and their identities.
#include "launcher/state/vm_name.hpp"

#include <doctest/doctest.h>

#include <set>

#include "base/error.hpp"
#include "launcher/state/identity.hpp"

using namespace agentvm;

TEST_CASE("a name is what a directory and a host and a domain can be called") {
  CHECK(state::valid_name("a"));
  CHECK(state::valid_name("my-app-2"));
  CHECK(state::valid_name("0x"));
  CHECK(state::valid_name(std::string(41, 'n')));
  for (const char* wrong : {"", "-a", "A", "a_b", "a/b", "..", "a b", "\xc3\xa4"})
    CHECK_FALSE(state::valid_name(wrong));
  CHECK_FALSE(state::valid_name(std::string(42, 'n')));
  try {
    state::check_name("../x");
    FAIL("a path was taken for a name");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    CHECK(std::string(error.what()).find("'../x'") != std::string::npos);
  }
}

TEST_CASE("a workspace's name becomes the VM's") {
  CHECK(state::slug("/home/u/My App!/") == "my-app");
  CHECK(state::slug("/srv/project.git") == "project-git");
  CHECK(state::slug("/") == "vm");
  CHECK(state::slug("/x/\xc3\xbc\xc3\xb6") == "vm");
  CHECK(state::slug("/x/--a--b--") == "a-b");
  CHECK(state::valid_name(state::slug("/x/" + std::string(100, 'a'))));
  CHECK(state::slug("/x/" + std::string(31, 'a') + " b") == std::string(31, 'a'));
}

TEST_CASE("several VMs of one workspace are numbered") {
  std::set<std::string> taken;
  const auto is_taken = [&](const std::string& name) { return taken.count(name) > 0; };
  for (const char* expected : {"app", "app-2", "app-3"}) {
    const std::string name = state::default_name("/x/app", is_taken);
    CHECK(name == expected);
    taken.insert(name);
  }
}

TEST_CASE("identities are fresh and well formed") {
  const std::string uuid = state::random_uuid();
  REQUIRE(uuid.size() == 36);
  CHECK(uuid[8] == '-');
  CHECK(uuid[14] == '4');
  CHECK(std::string("89ab").find(uuid[19]) != std::string::npos);
  CHECK(uuid != state::random_uuid());
  const std::string id = state::random_machine_id();
  CHECK(id.size() == 32);
  CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
}
