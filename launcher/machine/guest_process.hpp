// guest_process.hpp - a process of the guest as its streams go on from one pair of links to the next.
//
// A drop breaks the streams of a process, not the process (base/wire/guest.hpp says what the guest keeps). What stands
// here counts bytes on our side and asks for the rest on the next link: nothing is lost, nothing comes twice. A stream
// that breaks while its links stand, or is refused, is an Error as ever.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "base/link/link.hpp"
#include "launcher/machine/guest_links.hpp"

namespace agentvm::machine {

/// Reads one output. Not copied; one reader at a time. `links` outlives it.
class GuestOutput {
 public:
  /// `path` is "/processes/N/stdout" or "/processes/N/stderr".
  GuestOutput(GuestLinks& links, std::string path) : links_(links), path_(std::move(path)) {}
  /// The next bytes, at least one; empty when the output has ended. Waits through a drop. Throws Error.
  boost::asio::awaitable<std::string> read();
  /// Bytes read so far.
  std::uint64_t offset() const noexcept { return offset_; }

 private:
  boost::asio::awaitable<void> open();

  GuestLinks& links_;
  std::string path_;
  link::StreamPtr stream_;
  bool begun_ = false;
  unsigned generation_ = 0;  // of the links that the stream is on
  std::uint64_t offset_ = 0;
};

/// Writes stdin, and keeps as much of it as may be under way. Not copied; one writer at a time. `links` outlives it.
class GuestInput {
 public:
  /// `path` is "/processes/N".
  GuestInput(GuestLinks& links, std::string path) : links_(links), path_(std::move(path)) {}
  /// Returns when the bytes are on their way; waits through a drop. Throws Error, also when the process reads no more.
  boost::asio::awaitable<void> write(std::string bytes);
  /// Closes stdin behind everything written, and returns when the guest has taken it all.
  boost::asio::awaitable<void> finish();

 private:
  boost::asio::awaitable<void> open();
  boost::asio::awaitable<void> write_kept();
  std::uint64_t end() const noexcept { return kept_from_ + kept_.size(); }

  GuestLinks& links_;
  std::string path_;
  link::StreamPtr stream_;
  bool begun_ = false;
  unsigned generation_ = 0;      // of the links that the stream is on
  std::string kept_;             // the last bytes of what write() was given
  std::uint64_t kept_from_ = 0;  // offset of the first of them
  std::uint64_t written_ = 0;    // offset of the first byte that the present stream has not got
};

/// Waits for the end of a process whose POST /processes stream, or a later attached one, is `stream`; returns its
/// trailers, with exit-code among them. `path` is "/processes/N". Dropping the last reference to the stream while its
/// links stand kills the process. Throws Error.
boost::asio::awaitable<link::Fields> process_end(GuestLinks& links, link::StreamPtr stream, std::string path);

}  // namespace agentvm::machine
