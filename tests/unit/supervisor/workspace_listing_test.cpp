// workspace_listing_test.cpp - a walk that nobody waits for any more is heard of before its directory may go.
#include "launcher/supervisor/workspace_listing.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/async/task_group.hpp"
#include "base/file.hpp"
#include "tests/unit/guest/temporary_directory.hpp"

namespace agentvm::supervisor {

TEST_CASE("a cancelled walk goes on and idle() is when it has ended") {
  const guest::TemporaryDirectory scratch;
  const std::string workspace = scratch.path() + "/work", keep = scratch.path() + "/before";
  REQUIRE(mkdir(workspace.c_str(), 0700) == 0);
  constexpr int files = 3000;
  for (int i = 0; i < files; ++i) write_file_atomic(workspace + "/" + std::to_string(i), std::string(500, 'x') + "\n");
  boost::asio::io_context io{1};
  WorkspaceListing listing(io.get_executor(), HeldDirectory::resolve(workspace), keep);
  TaskGroup tasks(io.get_executor());
  tasks.spawn(listing.take());
  io.poll();  // it has begun
  bool joined = false, idle = false;
  const auto end = [&]() -> boost::asio::awaitable<void> {
    co_await tasks.join();
    joined = true;
    auto rest = listing.idle();
    co_await std::move(rest);
    idle = true;
  };
  TaskGroup ending(io.get_executor());
  ending.spawn(end());
  io.restart();
  io.run_for(std::chrono::seconds(60));
  CHECK(joined);
  REQUIRE(idle);
  // All of it is there: nothing comes later.
  std::uintmax_t kept = 0;
  for (const auto& entry : std::filesystem::directory_iterator(keep)) kept += entry.file_size();
  CHECK(kept >= std::uintmax_t{files} * 501);
}

}  // namespace agentvm::supervisor
