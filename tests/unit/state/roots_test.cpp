// roots_test.cpp - where things lie, and that sockets fit there.
#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "launcher/state/reservation.hpp"
#include "launcher/state/vm_directory.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;
using test::Variable;

TEST_CASE("the XDG variables decide even for root") {
  const Variable runtime("XDG_RUNTIME_DIR", "/tmp/r/");
  const Variable state("XDG_STATE_HOME", "/tmp/s");
  const Variable cache("XDG_CACHE_HOME", "/tmp/c");
  const state::Roots roots = state::user_roots();
  CHECK(roots.runtime == "/tmp/r/agentvm");
  CHECK(roots.state == "/tmp/s/agentvm");
  CHECK(roots.cache == "/tmp/c/agentvm");
}

TEST_CASE("a relative XDG variable counts as none") {
  const Variable state("XDG_STATE_HOME", "relative");
  const Variable home("HOME", "/tmp/somebody");
  CHECK(state::user_roots().state == (geteuid() == 0 ? "/var/lib/agentvm" : "/tmp/somebody/.local/state/agentvm"));
}

TEST_CASE("a socket path that does not fit is an error that says what to change") {
  state::Roots roots{"/" + std::string(90, 'r'), "/s", "/c"};
  try {
    state::check_socket_paths(state::vm_paths(roots, "some-name"));
    FAIL("108 bytes were taken");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("107") != std::string::npos);
    CHECK(error.hint().find("XDG_RUNTIME_DIR") != std::string::npos);
  }
  roots.runtime = "/run/user/1000/agentvm";
  CHECK_NOTHROW(state::check_socket_paths(state::vm_paths(roots, std::string(41, 'n'))));
}

TEST_CASE("a reservation appears with its lock held") {
  const Scratch scratch;
  const state::Roots roots = scratch.roots();
  {
    const auto first = state::reserve(roots, "app");
    REQUIRE(first);
    CHECK(state::is_alive(first->paths));
    CHECK(test::exists(first->paths.runtime_dir));
    CHECK_FALSE(state::reserve(roots, "app"));
    CHECK(state::list_vms(roots) == std::vector<std::string>{"app"});
    CHECK(state::sweep(first->paths, false).removed.empty());
  }
  const state::VmPaths paths = state::vm_paths(roots, "app");
  CHECK_FALSE(state::is_alive(paths));
  CHECK_FALSE(state::reserve(roots, "app"));  // leftovers are swept first
  CHECK(state::sweep(paths, false).removed.size() == 2);
  CHECK(state::list_vms(roots).empty());
  CHECK(state::reserve(roots, "app"));
}

TEST_CASE("a name that is no name never becomes a path") {
  CHECK_THROWS_AS(state::vm_paths({"/r", "/s", "/c"}, "../../etc"), Error);
}
