// fake_guest.cpp - answers the host's requests as agentvm-guest does.
#include "tests/fakes/fake_guest.hpp"

#include <signal.h>

#include <utility>

#include "base/unix_socket.hpp"

namespace agentvm::test {

namespace asio = boost::asio;

class FakeGuest::Transport final : public machine::LinkTransport {
 public:
  Transport(FakeGuest& guest, bool waits) : guest_(guest), waits_(waits) {}
  asio::awaitable<machine::LinkStreams> connect() override {
    while (!guest_.waiting_.control) co_await guest_.changed_.wait();
    co_return std::exchange(guest_.waiting_, {});
  }
  bool waits_for_guest() const noexcept override { return waits_; }

 private:
  FakeGuest& guest_;
  bool waits_;
};

FakeGuest::FakeGuest(asio::any_io_executor executor) : executor_(executor), changed_(executor) {}

std::unique_ptr<machine::LinkTransport> FakeGuest::make_transport(bool waits_for_guest) {
  return std::make_unique<Transport>(*this, waits_for_guest);
}

void FakeGuest::arrive() {
  ++arrivals;
  auto [control_host, control_guest] = socket_pair();
  auto [services_host, services_guest] = socket_pair();
  waiting_ = {std::move(control_host), std::move(services_host)};
  control_ = link::Session::create(executor_, std::move(control_guest), link::Role::server, {},
                                   [this](link::StreamPtr stream) { return answer(std::move(stream)); });
  services_ = link::Session::create(executor_, std::move(services_guest), link::Role::client);
  tasks_.emplace(executor_);
  tasks_->spawn(run_control());
  tasks_->spawn(run_services());
  tasks_->spawn(report_ready());
  changed_.notify();
}

void FakeGuest::leave() {
  if (tasks_) tasks_->cancel();
  control_.reset();
  services_.reset();
}

asio::awaitable<void> FakeGuest::run_control() {
  const auto session = control_;
  auto run = session->run();
  co_await std::move(run);
  co_await shielded();
  auto joined = session->join();
  co_await std::move(joined);
}

asio::awaitable<void> FakeGuest::run_services() {
  const auto session = services_;
  auto run = session->run();
  co_await std::move(run);
}

asio::awaitable<void> FakeGuest::report_ready() {
  const auto session = services_;
  guest::ReadyReport report;
  report.ready_ms = 1234;
  report.kernel = "6.1.0-fake";
  auto asked = link::request(*session, "POST", "/ready", guest::to_json(report).dump());
  try {
    co_await std::move(asked);
  } catch (const std::exception&) {
    // The host went away first.
  }
}

void FakeGuest::print(const std::string& text) {
  output_ += text;
  changed_.notify();
}

void FakeGuest::exit(int code) {
  exit_code_ = code;
  changed_.notify();
}

std::string FakeGuest::setup_answer() const {
  return setup_failure.empty() ? guest::to_json(guest::SetupReply{.took_ms = setup_took.count()}).dump()
                               : setup_failure;
}

asio::awaitable<void> FakeGuest::answer(link::StreamPtr stream) {
  const std::string path(stream->path());
  if (path == "/setup") {
    const std::string body = co_await stream->read_all(guest::max_document);
    setups.push_back(nlohmann::json::parse(body));
    if (on_setup) on_setup();
    while (!answers_setup) co_await changed_.wait();
    stream->respond(setup_failure.empty() ? 200 : 500);
    std::string answer = setup_answer();
    co_await stream->write(std::move(answer));
  } else if (path == "/processes") {
    auto process = answer_process(stream);
    co_await std::move(process);
  } else if (path.ends_with("/stdout") || path.ends_with("/stderr")) {
    auto output = answer_output(stream, path.ends_with("/stdout"));
    co_await std::move(output);
  } else if (path.ends_with("/signal")) {
    const std::string body = co_await stream->read_all(4096);
    signals.push_back(nlohmann::json::parse(body).at("signal").get<int>());
    stream->respond(200);
    if (signals.back() == SIGTERM && obeys_term) exit(128 + SIGTERM);
    if (signals.back() == SIGKILL && obeys_kill) exit(128 + SIGKILL);
  } else if (path == "/links/drop") {
    stream->respond(200);
  } else if (path == "/shutdown") {
    shutdown_asked = true;
    stream->respond(200);
    stream->finish();
    if (powers_off && on_shutdown) on_shutdown();
  } else {
    stream->respond(404);
  }
}

asio::awaitable<void> FakeGuest::answer_process(link::StreamPtr stream) {
  const std::string body = co_await stream->read_all(guest::max_document);
  processes.push_back(nlohmann::json::parse(body));
  while (!starts_processes) co_await changed_.wait();
  link::Fields started;
  started.emplace_back("process-id", "1");
  stream->respond(200, std::move(started));
  while (!exit_code_) co_await changed_.wait();
  link::Fields trailers;
  trailers.emplace_back("exit-code", std::to_string(*exit_code_));
  stream->finish(std::move(trailers));
  co_await stream->closed();
}

asio::awaitable<void> FakeGuest::answer_output(link::StreamPtr stream, bool stdout_stream) {
  stream->respond(200);
  while (stdout_stream) {
    while (output_.empty() && !exit_code_) co_await changed_.wait();
    if (output_.empty()) break;
    std::string text = std::exchange(output_, {});
    co_await stream->write(std::move(text));
  }
}

}  // namespace agentvm::test
