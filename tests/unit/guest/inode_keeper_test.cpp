// inode_keeper_test.cpp - what the kernel says about its inodes.
#include "guest/inode_keeper.hpp"

#include <doctest/doctest.h>

namespace agentvm::guest {

TEST_CASE("inodes in use are all less the free ones") {
  CHECK(inodes_in_use("24601\t601\n") == 24000);
  CHECK(inodes_in_use("24601 601") == 24000);
  for (const char* text : {"", "x", "12", "12\t", "12\tx", "5\t7\n"}) CHECK(inodes_in_use(text) == 0);
}

}  // namespace agentvm::guest
