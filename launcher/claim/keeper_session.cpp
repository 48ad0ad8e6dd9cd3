// keeper_session.cpp - one question at a time.
#include "launcher/claim/keeper_session.hpp"

#include <utility>

#include "base/error.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;

KeeperSession::KeeperSession(asio::any_io_executor executor, UniqueFd connection)
    : socket_(std::move(connection)), changed_(std::move(executor)) {}

void KeeperSession::finish(Ended how) {
  if (!ended_) ended_ = std::move(how);
  changed_.notify();
}

asio::awaitable<void> KeeperSession::run() {
  std::string reason = "the pool's keeper of the VM went away";
  try {
    for (;;) {
      auto reading = socket_.read();
      std::optional<Message> message = co_await std::move(reading);
      if (!message) break;
      if (message->name == "ended") {
        finish(ended_from_json(message->body));
        co_return;
      }
      if (!asking_ || answer_) throw Error("the pool's keeper answers what nobody has asked");
      answer_ = std::move(message);
      changed_.notify();
    }
  } catch (const Error& error) {
    reason = error.what();
  }
  finish({"vmm_died", reason});
}

asio::awaitable<std::vector<UniqueFd>> KeeperSession::ask(std::string name, nlohmann::json body) {
  while (asking_ && !ended_) co_await changed_.wait();
  if (ended_) throw Error(ended_->words);
  asking_ = true;
  // However this ends, the next one may ask; an answer that nobody waited for is not the next one's.
  struct Done {
    KeeperSession& session;
    ~Done() {
      if (!session.answer_ && !session.ended_) session.let_go();
      session.answer_.reset();
      session.asking_ = false;
      session.changed_.notify();
    }
  } const done{*this};
  socket_.write(name, body);
  while (!answer_ && !ended_) {
    auto changed = changed_.wait();
    co_await std::move(changed);
  }
  if (!answer_) throw Error(ended_->words);
  if (answer_->name != "done") throw Error(name + ": " + text_in(answer_->body, "sentence"));
  co_return std::move(answer_->fds);
}

asio::awaitable<Ended> KeeperSession::ended() {
  while (!ended_) co_await changed_.wait();
  co_return *ended_;
}

}  // namespace agentvm::pool
