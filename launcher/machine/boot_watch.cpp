// boot_watch.cpp - a boot's progress against the clock.
#include "launcher/machine/boot_watch.hpp"

#include <algorithm>
#include <utility>

#include "base/async/race.hpp"
#include "base/async/within.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;

namespace {

constexpr char hint[] = "The guest's console output below shows how far it got. --boot-timeout gives it more time.";

}  // namespace

BootWatch::BootWatch(Clock& clock, BootConsole& words, std::unique_ptr<Console> console, Progress progress,
                     std::chrono::milliseconds limit)
    : clock_(clock),
      words_(words),
      console_(std::move(console)),
      progress_(std::move(progress)),
      limit_(limit),
      began_(clock.now()),
      moved_(began_) {}

asio::awaitable<void> BootWatch::run() {
  auto outcome = race(follow(), stand_still());
  co_await std::move(outcome);
}

asio::awaitable<void> BootWatch::follow() {
  for (;;) {
    auto reading = console_->read();
    const std::string printed = co_await std::move(reading);
    const std::size_t before = words_.news();
    for (const std::string& step : words_.add(printed)) progress_("boot", "booting the guest: " + step);
    if (words_.news() > before) moved_ = clock_.now();
    if (words_.gave_up()) {
      throw Error("the guest's boot failed: " + words_.failed(),
                  "The guest's console output below says more; what failed is of its own NixOS configuration.");
    }
  }
}

asio::awaitable<void> BootWatch::stand_still() {
  for (;;) {
    const std::string after = words_.step().empty() ? "" : " to go on after " + words_.step();
    const std::string what = words_.news() == 0 ? "the guest to boot" : "the guest's boot" + after;
    if (clock_.now() >= moved_ + limit_) throw late(limit_, what, hint);
    if (clock_.now() >= began_ + patience * limit_) throw late(patience * limit_, "the guest to boot", hint);
    auto sleeping = clock_.sleep_until(std::min(moved_ + limit_, began_ + patience * limit_));
    co_await std::move(sleeping);
  }
}

}  // namespace agentvm::machine
