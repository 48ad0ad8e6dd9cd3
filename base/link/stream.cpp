// stream.cpp - the handle through which a stream is used.
#include "base/error.hpp"
#include "base/link/session.hpp"

namespace agentvm::link {

namespace {

class StreamHandle final : public Stream {
 public:
  StreamHandle(std::shared_ptr<SessionImpl> session, StatePtr state)
      : session_(std::move(session)), state_(std::move(state)) {}
  StreamHandle(const StreamHandle&) = delete;
  StreamHandle& operator=(const StreamHandle&) = delete;
  ~StreamHandle() override { session_->abandon(state_); }

  const Fields& request() const noexcept override { return state_->request; }
  asio::awaitable<Fields> response() override {
    const auto state = state_;
    while (!state->response_received && !state->broken && !state->closed) co_await state->changed.wait();
    if (!state->response_received) throw Error(std::string(path()) + ": the other side gave no answer");
    co_return state->response;
  }
  void respond(int status, Fields fields) override { session_->respond(state_, status, std::move(fields)); }
  bool responded() const noexcept override { return state_->responded; }
  asio::awaitable<std::string> read() override { return session_->read(state_); }
  const Fields& trailers() const noexcept override { return state_->trailers; }
  asio::awaitable<void> write(std::string bytes) override { return session_->write(state_, std::move(bytes)); }
  void finish(Fields trailers) override { session_->finish(state_, std::move(trailers)); }
  void reset() noexcept override { session_->reset(state_, NGHTTP2_CANCEL); }
  bool broken() const noexcept override { return state_->broken; }
  asio::awaitable<void> closed() override {
    const auto state = state_;
    while (!state->closed && !state->broken) co_await state->changed.wait();
  }

 private:
  std::shared_ptr<SessionImpl> session_;
  StatePtr state_;
};

}  // namespace

StreamPtr make_handle(std::shared_ptr<SessionImpl> session, StatePtr state) {
  return std::make_shared<StreamHandle>(std::move(session), std::move(state));
}

}  // namespace agentvm::link
