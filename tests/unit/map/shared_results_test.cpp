// shared_results_test.cpp - results of many machines in one directory: whole, once, and claimed by one at a time.
#include "launcher/map/shared_results.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;
using test::Scratch;

namespace {

TaskResult shared_result(const std::string& id, int exit_code) {
  TaskResult result;
  result.id = id;
  result.exit_code = exit_code;
  return result;
}

}  // namespace

TEST_CASE("the first result of a task stays") {
  const Scratch scratch;
  const SharedResults shared = SharedResults::open(scratch / "r", true);
  CHECK_FALSE(shared.find("a").has_value());
  CHECK(shared.publish(shared_result("a", 1)));
  CHECK_FALSE(shared.publish(shared_result("a", 2)));
  CHECK(shared.publish(shared_result("b", 0)));
  CHECK(shared.find("a")->exit_code == 1);
  CHECK(shared.ids() == std::vector<std::string>{"a", "b"});
  CHECK(SharedResults::open(scratch / "r", false).ids().size() == 2);
}

TEST_CASE("a claim is one machine's at a time") {
  const Scratch scratch;
  const SharedResults shared = SharedResults::open(scratch / "r", true);
  {
    const auto claim = shared.try_claim("a");
    REQUIRE(claim.has_value());
    CHECK_FALSE(shared.try_claim("a").has_value());
    CHECK(shared.try_claim("b").has_value());
  }
  CHECK(shared.claim("a").valid());
}

TEST_CASE("a directory that is not there and a file that is no result are named") {
  const Scratch scratch;
  CHECK_THROWS_AS(SharedResults::open(scratch / "none", false), Error);
  const SharedResults shared = SharedResults::open(scratch / "r", true);
  scratch.write("r/done/a", "{}");
  try {
    shared.find("a");
    FAIL("it was taken");
  } catch (const Error& error) {
    CHECK(has(error.what(), "/r/done/a: the result is not taken"));
  }
  CHECK(shared.remove().empty());
  CHECK_FALSE(test::exists(scratch / "r"));
}
