// keeper_caller.cpp - what whoever has a pooled VM asks of its VMM, and what ends it meanwhile.
#include <signal.h>
#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/async/readable.hpp"
#include "base/error.hpp"
#include "launcher/pool/keeper.hpp"
#include "launcher/pool/memory_of.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;

asio::awaitable<void> Keeper::serve_caller() {
  const auto caller = caller_;
  for (;;) {
    std::optional<Message> message;
    std::string failure;
    try {
      auto reading = caller->read();
      message = co_await std::move(reading);
    } catch (const Error& error) {
      spdlog::info("{}: {}", spec_.name, error.what());
    }
    if (!message) co_return;
    try {
      auto answered = answer(std::move(*message));
      co_await std::move(answered);
    } catch (const Error& error) {
      failure = error.what();
    }
    if (!failure.empty()) caller->write("failed", {{"sentence", failure}});
  }
}

asio::awaitable<void> Keeper::answer(Message message) {
  std::vector<int> fds;
  machine::LinkStreams streams;
  if (message.name == "plug") {
    const auto index = number_in(message.body, "listener", most_listeners);
    if (index >= plugged_.size()) throw Error("there is no such listener");
    vmspec::ShareSpec share;
    share.tag = text_in(message.body, "tag");
    auto plugged = machine_.plug(std::move(share), plugged_[index].socket);
    co_await std::move(plugged);
  } else if (message.name == "unplug") {
    auto unplugged = machine_.unplug(text_in(message.body, "tag"));
    co_await std::move(unplugged);
  } else if (message.name == "pause") {
    auto paused = machine_.pause();
    co_await std::move(paused);
  } else if (message.name == "resume") {
    auto resumed = machine_.resume();
    co_await std::move(resumed);
  } else if (message.name == "links") {
    auto handed = machine_.hand_over();
    streams = co_await std::move(handed);
    fds = {streams.control.get(), streams.services.get()};
  } else if (message.name == "kill") {
    auto killed = machine_.kill();
    co_await std::move(killed);
  } else {
    throw Error("a caller asked for \"" + message.name + "\"");
  }
  caller_->write("done", nlohmann::json::object(), fds);
}

asio::awaitable<void> Keeper::watch_machine() {
  auto ended = machine_.ended();
  co_await std::move(ended);
  const machine::Ending& ending = *machine_.ending();
  end(ending.words, !caller_);
}

asio::awaitable<void> Keeper::watch_signals() {
  asio::signal_set signals(executor_, SIGTERM, SIGINT);
  const auto [error, number] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!error) end("it was told to end", false);
}

asio::awaitable<void> Keeper::watch_guard() {
  const auto error = co_await readable(guard_fd_);
  if (!error) end("agentvm-reaper was killed, and nothing would clean up after the VM", true);
}

asio::awaitable<void> Keeper::watch_orphanhood() {
  while (!caller_) {
    if (!poolds_.empty()) {
      co_await changed_.wait();
      continue;
    }
    const auto until = clock_.after(limits_.orphan);
    while (poolds_.empty() && !caller_ && clock_.now() < until) {
      auto pause = clock_.sleep(std::chrono::seconds(1));
      co_await std::move(pause);
    }
    if (poolds_.empty() && !caller_) {
      end("no agentvm-poold has asked for it", false);
      co_return;
    }
  }
}

asio::awaitable<void> Keeper::watch_memory() {
  while (!caller_) {
    auto pause = clock_.sleep(limits_.memory_look);
    co_await std::move(pause);
    state_.memory_bytes = memory_of(record_.state().processes);
    tell();
  }
}

}  // namespace agentvm::pool
