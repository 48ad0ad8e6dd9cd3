// guest_process.cpp - streams that are opened again where the last one broke.
#include "launcher/machine/guest_process.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json/bounded.hpp"
#include "base/wire/guest.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;

namespace {

constexpr std::size_t longest_refusal = 4096;
constexpr JsonLimits state_limits{.bytes = 64 * 1024};
constexpr std::size_t piece_bytes = 64 * 1024;

asio::awaitable<void> expect_good(link::StreamPtr stream) {
  auto answered = stream->response();
  const link::Fields fields = co_await std::move(answered);
  const std::string status(link::field(fields, ":status"));
  if (status == "200") co_return;
  auto read = stream->read_all(longest_refusal);
  std::string why = co_await std::move(read);
  throw Error(std::string(stream->path()) + ": status " + status + ": " + why);
}

/// Whether a failure of `stream` is a drop's doing. The link of a dropped stream is gone, that of a refused one is not.
bool went_with_its_link(const GuestLinks& links, unsigned generation) noexcept {
  return links.dropped() || links.generation() != generation;
}

}  // namespace

asio::awaitable<void> GuestOutput::open() {
  generation_ = links_.generation();
  auto connected = links_.connected();
  const link::SessionPtr control = co_await std::move(connected);
  generation_ = links_.generation();
  std::string path = path_;
  if (begun_) path += "?from=" + std::to_string(offset_);
  stream_ = control->open("GET", std::move(path), {}, true);
  auto good = expect_good(stream_);
  co_await std::move(good);
  begun_ = true;
}

asio::awaitable<std::string> GuestOutput::read() {
  for (;;) {
    try {
      if (!stream_) {
        auto opened = open();
        co_await std::move(opened);
      }
      auto read = stream_->read();
      std::string bytes = co_await std::move(read);
      offset_ += bytes.size();
      co_return bytes;
    } catch (const Error&) {
      stream_.reset();
      if (!went_with_its_link(links_, generation_)) throw;
    }
  }
}

asio::awaitable<void> GuestInput::open() {
  generation_ = links_.generation();
  auto connected = links_.connected();
  const link::SessionPtr control = co_await std::move(connected);
  generation_ = links_.generation();
  if (begun_) {
    auto asked = link::request(*control, "GET", path_);
    const link::Answer answer = co_await std::move(asked);
    if (answer.status != 200) throw Error(path_ + ": " + answer.body);
    const auto state = parse_bounded_json(answer.body, state_limits, path_);
    const std::uint64_t taken = guest::process_state_from_json(state).stdin_taken;
    if (taken < kept_from_ || taken > end())
      throw Error(path_ + ": the guest counts other bytes of stdin than were sent");
    written_ = taken;
  }
  begun_ = true;
  stream_ = control->open("POST", path_ + "/stdin");
}

asio::awaitable<void> GuestInput::write_kept() {
  while (!stream_ || written_ < end()) {
    if (!stream_) {
      auto opened = open();
      co_await std::move(opened);
    }
    std::string piece = kept_.substr(static_cast<std::size_t>(written_ - kept_from_), piece_bytes);
    if (piece.empty()) break;
    const std::size_t size = piece.size();
    auto written = stream_->write(std::move(piece));
    co_await std::move(written);
    written_ += size;
    if (written_ > kept_from_ + guest::replay_bytes + piece_bytes) {
      const std::uint64_t from = written_ - guest::replay_bytes;
      kept_.erase(0, static_cast<std::size_t>(from - kept_from_));
      kept_from_ = from;
    }
  }
}

asio::awaitable<void> GuestInput::write(std::string bytes) {
  kept_ += bytes;
  for (;;) {
    try {
      auto written = write_kept();
      co_await std::move(written);
      co_return;
    } catch (const Error&) {
      stream_.reset();
      if (!went_with_its_link(links_, generation_)) throw;
    }
  }
}

asio::awaitable<void> GuestInput::finish() {
  for (bool again = false;; again = true) {
    try {
      auto written = write_kept();
      co_await std::move(written);
      stream_->finish();
      auto answered = stream_->response();
      const link::Fields fields = co_await std::move(answered);
      const std::string_view status = link::field(fields, ":status");
      // The guest may have closed stdin on the link before, and only its answer was lost.
      if (status == "200" || (again && status == "409")) co_return;
      throw Error(path_ + "/stdin: status " + std::string(status));
    } catch (const Error&) {
      stream_.reset();
      if (!went_with_its_link(links_, generation_)) throw;
    }
  }
}

asio::awaitable<link::Fields> process_end(GuestLinks& links, link::StreamPtr stream, std::string path) {
  for (bool first = true;; first = false) {
    const unsigned generation = links.generation();
    try {
      if (!stream) {
        auto connected = links.connected();
        const link::SessionPtr control = co_await std::move(connected);
        stream = control->open("POST", path + "/attach", {}, true);
        auto good = expect_good(stream);
        co_await std::move(good);
      }
      auto read = stream->read_all(longest_refusal);
      co_await std::move(read);
      co_return stream->trailers();
    } catch (const Error&) {
      stream.reset();
      // The first stream may be of any link: whether the process is still there is for the guest to say.
      if (!first && !went_with_its_link(links, generation)) throw;
    }
  }
}

}  // namespace agentvm::machine
