// task_group_test.cpp - tasks are owned: cancelled, joined, and their failures told; limits of time.
#include "base/async/task_group.hpp"

#include <doctest/doctest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <stdexcept>

#include "base/async/event.hpp"
#include "base/async/within.hpp"
#include "tests/fakes/fake_clock.hpp"

namespace agentvm {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

struct World {
  asio::io_context io{1};
  FakeClock clock{io.get_executor()};
  TaskGroup group{io.get_executor()};

  /// Runs a coroutine, and everything beside it, until nothing is ready.
  void run(asio::awaitable<void> task) {
    asio::co_spawn(io, std::move(task), [](const std::exception_ptr& error) {
      if (error) std::rethrow_exception(error);
    });
    turn();
  }
  void turn() {
    io.restart();
    io.poll();
  }
};

asio::awaitable<void> wait_for_ever(AsyncEvent& event, int& ends) {
  struct Count {
    int& ends;
    ~Count() { ++ends; }
  } const count{ends};
  for (;;) co_await event.wait();
}

asio::awaitable<void> fail(std::string why) {
  throw std::runtime_error(why);
  co_return;
}

asio::awaitable<void> note(bool& done, asio::awaitable<void> task) {
  co_await std::move(task);
  done = true;
}

asio::awaitable<int> answer(AsyncEvent& event, bool& may) {
  while (!may) co_await event.wait();
  co_return 42;
}

}  // namespace

TEST_SUITE("base/async/task_group") {
  TEST_CASE("joining ends what waits for ever and says when it is over") {
    World world;
    AsyncEvent event(world.io.get_executor());
    int ends = 0;
    for (int task = 0; task < 5; ++task) world.group.spawn(wait_for_ever(event, ends));
    world.turn();
    CHECK(world.group.size() == 5);
    CHECK(ends == 0);
    bool joined = false;
    world.run(note(joined, world.group.join()));
    CHECK(joined);
    CHECK(ends == 5);
    CHECK(world.group.empty());
    CHECK(world.group.failure() == nullptr);
  }

  TEST_CASE("a task spawned after the cancelling never takes a step") {
    World world;
    AsyncEvent event(world.io.get_executor());
    int ends = 0;
    world.group.cancel();
    world.group.spawn(wait_for_ever(event, ends));
    world.turn();
    CHECK(world.group.empty());
  }

  TEST_CASE("the first failure is the group's and does not end the others") {
    asio::io_context io(1);
    int failures = 0;
    TaskGroup group(io.get_executor(), [&](const std::exception_ptr&) { ++failures; });
    AsyncEvent event(io.get_executor());
    int ends = 0;
    group.spawn(wait_for_ever(event, ends));
    group.spawn(fail("first"));
    group.spawn(fail("second"));
    io.poll();
    CHECK(failures == 1);
    CHECK_THROWS_WITH(std::rethrow_exception(group.failure()), "first");
    CHECK(group.size() == 1);
    group.cancel();
    io.restart();
    io.poll();
    CHECK(group.empty());
  }

  TEST_CASE("a cancelled coroutine can still join what it owns") {
    World world;
    AsyncEvent event(world.io.get_executor());
    int ends = 0;
    bool joined = false;
    const auto owner = [&]() -> asio::awaitable<void> {
      TaskGroup own(world.io.get_executor());
      own.spawn(wait_for_ever(event, ends));
      try {
        for (;;) co_await event.wait();
      } catch (const boost::system::system_error&) {
      }
      co_await shielded();
      co_await own.join();
      joined = true;
    };
    world.group.spawn(owner());
    world.turn();
    world.group.cancel();
    world.turn();
    CHECK(ends == 1);
    CHECK(joined);
    CHECK(world.group.empty());
  }

  TEST_CASE("within gives the result in time and an Error that names what was late") {
    World world;
    AsyncEvent event(world.io.get_executor());
    bool may = false;
    int value = 0;
    std::string failure;
    const auto ask = [&]() -> asio::awaitable<void> {
      auto asked = answer(event, may);
      try {
        auto result = within(world.clock, 2000ms, "the answer", std::move(asked), "Ask again.");
        value = co_await std::move(result);
      } catch (const Error& error) {
        failure = std::string(error.what()) + "|" + error.hint();
      }
    };
    SUBCASE("in time") {
      world.run(ask());
      world.clock.advance(1999ms);
      world.turn();
      may = true;
      event.notify();
      world.turn();
      CHECK(value == 42);
      CHECK(failure.empty());
    }
    SUBCASE("late") {
      world.run(ask());
      world.clock.advance(2000ms);
      world.turn();
      CHECK(value == 0);
      CHECK(failure == "waited 2 s for the answer|Ask again.");
    }
  }
}

}  // namespace agentvm
