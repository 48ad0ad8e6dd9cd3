// accounts_test.cpp - the groups of an account.
#include "guest/accounts.hpp"

#include <doctest/doctest.h>

#include <string>

namespace agentvm::guest {

namespace {

using Groups = std::vector<gid_t>;

constexpr char passwd[] =
    "root:x:0:0::/root:/bin/sh\n"
    "broken line\n"
    "agent:x:1000:1000:a:b:/home/agent:/bin/bash\n"
    "other:x:1001:1001::/:/bin/sh";
constexpr char group[] =
    "root:x:0:\n"
    "wheel:x:1:other,agent\n"
    "docker:x:131:agent\n"
    "docker-too:x:131:agent\n"
    "agents:x:7:agent2,xagent\n"
    "odd:x:-1:agent\n"
    "odder:x:99999999999:agent\n"
    "short:x\n"
    "agent:x:1000:\n"
    "last:x:9:agent";

}  // namespace

TEST_CASE("an account is in its own group and in every group that names it - once each") {
  CHECK(groups_of(passwd, group, 1000, 1000) == Groups{1000, 1, 131, 9});
  CHECK(groups_of(passwd, group, 1001, 1001) == Groups{1001, 1});
}

TEST_CASE("a uid without an account is in the group that was asked for alone") {
  CHECK(groups_of(passwd, group, 4242, 17) == Groups{17});
  CHECK(groups_of("", "", 1000, 1000) == Groups{1000});
  CHECK(groups_of("::1000:1:", "x:y:5:\n", 1000, 1000) == Groups{1000});
}

}  // namespace agentvm::guest
