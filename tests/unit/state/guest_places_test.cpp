// guest_places_test.cpp - the directories that guests wrote in are remembered, each once.
#include "launcher/state/guest_places.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>

#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using test::Scratch;

TEST_CASE("guests' places are remembered - each once - whatever is removed meanwhile") {
  const Scratch scratch;
  const state::Roots roots = scratch.roots();
  const auto known = [&] {
    auto places = state::guest_places(roots);
    std::sort(places.begin(), places.end());
    return places;
  };
  CHECK(known().empty());
  state::remember_guest_place(roots, "/srv/b");
  state::remember_guest_place(roots, "/srv/a");
  state::remember_guest_place(roots, "/srv/b");
  CHECK(known() == std::vector<std::string>{"/srv/a", "/srv/b"});
  REQUIRE(unlink((roots.state + "/guest-places/0").c_str()) == 0);
  state::remember_guest_place(roots, "/srv/c");  // "1" is taken
  CHECK(known() == std::vector<std::string>{"/srv/a", "/srv/c"});
  REQUIRE(symlink("/", (roots.state + "/guest-places/root").c_str()) == 0);
  CHECK(known().size() == 2);
}
