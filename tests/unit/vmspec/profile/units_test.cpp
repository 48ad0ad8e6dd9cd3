// units_test.cpp - sizes and durations, both ways.
#include "vmspec/profile/units.hpp"

#include <doctest/doctest.h>

namespace agentvm::vmspec {

TEST_CASE("sizes have a whole number and a unit") {
  CHECK(parse_size("4GiB") == std::uint64_t{4} << 30);
  CHECK(parse_size("512MiB") == std::uint64_t{512} << 20);
  CHECK(parse_size("64KiB") == 65536);
  CHECK(parse_size("1TiB") == std::uint64_t{1} << 40);
  CHECK(parse_size("2G") == std::uint64_t{2} << 30);
  CHECK(parse_size("2M") == std::uint64_t{2} << 20);
  CHECK(parse_size("2K") == 2048);
  for (const char* wrong : {"", "4", "GiB", "4 GiB", "4GB", "4gib", "-4GiB", "+4GiB", "4.5GiB", "4GiBx", "0x4GiB",
                            "99999999999999999999GiB", "9223372036854775808KiB"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_size(wrong).has_value());
  }
}

TEST_CASE("a size is shown in its largest whole unit") {
  CHECK(format_size(std::uint64_t{4} << 30) == "4GiB");
  CHECK(format_size(std::uint64_t{1536} << 20) == "1536MiB");
  CHECK(format_size(std::uint64_t{16} << 40) == "16TiB");
  for (const std::uint64_t bytes : {1024U, 1U << 20, 3U << 20, 5U << 10})
    CHECK(parse_size(format_size(bytes)) == bytes);
}

TEST_CASE("durations add their parts up") {
  CHECK(parse_duration("0") == 0);
  CHECK(parse_duration("90s") == 90'000);
  CHECK(parse_duration("10m") == 600'000);
  CHECK(parse_duration("2h") == 7'200'000);
  CHECK(parse_duration("1d") == 86'400'000);
  CHECK(parse_duration("500ms") == 500);
  CHECK(parse_duration("1h30m") == 5'400'000);
  for (const char* wrong : {"", "90", "s", "-1s", "1.5h", "1 h", "1w", "10m5", "1h-3m", "99999999999999d"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_duration(wrong).has_value());
  }
}

TEST_CASE("a duration is shown so that it parses back") {
  CHECK(format_duration(0) == "0");
  CHECK(format_duration(90'000) == "1m30s");
  for (const std::int64_t ms : {1LL, 999LL, 1000LL, 86'400'001LL, 2'592'000'000LL}) {
    CHECK(parse_duration(format_duration(ms)) == ms);
  }
}

}  // namespace agentvm::vmspec
