// quantiles_test.cpp - the middle and the end of what was measured lately.
#include "launcher/pool/quantiles.hpp"

#include <doctest/doctest.h>

namespace agentvm::pool {

TEST_SUITE("pool/quantiles") {
  TEST_CASE("the last thousand values count and all are counted") {
    Quantiles values;
    CHECK(values.at(0.5) == 0);
    for (std::int64_t value = 1; value <= 100; ++value) values.add(101 - value);
    CHECK(values.at(0) == 1);
    CHECK(values.at(0.5) == 51);
    CHECK(values.at(0.95) == 95);
    CHECK(values.at(1) == 100);
    for (int i = 0; i < 1024; ++i) values.add(7);
    CHECK(values.at(1) == 7);
    CHECK(values.count() == 1124);
    CHECK(values.sum() == 5050 + 7 * 1024);
  }
}

}  // namespace agentvm::pool
