// nix_program.cpp - runs `nix` and words its failures.
#include "launcher/nix/nix_program.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "launcher/nix/interruption.hpp"

namespace agentvm::image {

namespace {

/// What a complaint is looked for in: the end of what was said.
constexpr std::size_t remembered_bytes = std::size_t{64} << 10;
constexpr std::size_t longest_line = 400;
constexpr std::chrono::seconds interrupted_grace{5};

template <typename Each>
void for_each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\n\r"), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
}

/// Of something else that failed and was told before: what was built for it (Nix up to 2.28, and newer).
bool says_consequence(std::string_view complaint) {
  return complaint.find("dependencies of derivation") != std::string_view::npos ||
         complaint.find("dependency failed") != std::string_view::npos ||
         complaint.find("dependencies failed") != std::string_view::npos;
}

/// Hands what arrives on a pipe on, line by line, and keeps it.
class Listener {
 public:
  Listener(int log, const std::function<void(std::string_view)>& progress) : log_(log), progress_(progress) {}

  void take(std::string_view bytes) {
    if (logged_ < max_build_log) {
      write_all(log_, bytes.substr(0, max_build_log - logged_), "writing the build's log");
      logged_ += bytes.size();
    }
    for (const char c : bytes) {
      if (c != '\n' && c != '\r') {
        if (line_.size() < longest_line * 4) line_ += c;
      } else {
        finish_line();
      }
    }
    remembered_ += bytes;
    if (remembered_.size() > 2 * remembered_bytes) remembered_.erase(0, remembered_.size() - remembered_bytes);
  }

  std::string finish() {
    finish_line();
    return std::move(remembered_);
  }

 private:
  void finish_line() {
    const std::string line = plain_line(line_, longest_line);
    line_.clear();
    if (!line.empty() && progress_) progress_(line);
  }

  int log_;
  const std::function<void(std::string_view)>& progress_;
  std::size_t logged_ = 0;
  std::string line_;
  std::string remembered_;
};

}  // namespace

namespace {

/// With --print-build-logs: the last line "NAME> words" of the builder that the complaint names; "" when there is none.
std::string last_of_builder(std::string_view words, const std::string& complaint) {
  constexpr std::string_view begin = "builder for '";
  const std::size_t end = complaint.find(".drv'");
  const std::size_t dash = complaint.find('-');
  if (!complaint.starts_with(begin) || end == std::string::npos || dash >= end) return {};
  const std::string mark = complaint.substr(dash + 1, end - dash - 1) + "> ";
  std::string last;
  for_each_line(words, [&](std::string_view raw) {
    const std::string line = plain_line(raw, longest_line);
    if (line.starts_with(mark)) last = line.substr(mark.size());
  });
  return last;
}

}  // namespace

std::string nix_complaint(std::string_view words) {
  constexpr std::string_view mark = "error:";
  std::string complaint;
  std::string builders;  // the last words of the builder that it is about
  std::string last;
  bool continues = false;
  for_each_line(words, [&](std::string_view raw) {
    std::string line = plain_line(raw, longest_line);
    if (line.empty()) return;
    const bool begins = line.starts_with(mark);
    // Nix puts the text of a longer complaint on the lines below a bare "error:", the trace before it.
    if (begins) {
      line = plain_line(std::string_view(line).substr(mark.size()), longest_line);
      continues = line.empty();
      if (!line.empty() && (complaint.empty() || !says_consequence(line))) {
        complaint = line;
        builders.clear();
      }
    } else if (line.starts_with("> ") && complaint.ends_with(';')) {
      builders = line.substr(2);
    } else if (continues) {
      complaint = line;
      continues = false;
    }
    if (!line.empty()) last = line;
  });
  if (builders.empty()) builders = last_of_builder(words, complaint);
  if (!complaint.ends_with(';') && !builders.empty()) complaint += ';';
  if (complaint.ends_with(';')) complaint.replace(complaint.size() - 1, 1, builders.empty() ? "" : ": " + builders);
  return (complaint.empty() ? last : complaint).substr(0, longest_line);
}

bool says_offline(std::string_view words) {
  static constexpr std::array<std::string_view, 8> signs = {
      "unable to download",         "Could not resolve host", "Couldn't resolve host", "Network is unreachable",
      "Couldn't connect to server", "Connection timed out",   "unable to access '",    "Failed to connect to"};
  for (const std::string_view sign : signs) {
    if (words.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

NixProgram::NixProgram(std::string log, std::function<void(std::string_view line)> progress)
    : log_(std::move(log)), progress_(std::move(progress)) {
  const auto program = find_program("nix");
  if (!program) {
    throw Error("there is no `nix` on PATH, which a guest of NixOS is built with",
                "Install Nix (nixos.org/download), or use guest.source = \"host\".", ExitCode::cannot_start);
  }
  program_ = *program;
  write_file_atomic(log_, "");
}

void NixProgram::run(const std::string& what, const std::vector<std::string>& arguments) {
  SpawnOptions options{.program = program_};
  options.args = {"--extra-experimental-features", "nix-command flakes"};
  options.args.insert(options.args.end(), arguments.begin(), arguments.end());
  run_as_nix(what, std::move(options), log_, progress_);
}

void run_as_nix(const std::string& what, SpawnOptions process, const std::string& log_file,
                const std::function<void(std::string_view line)>& progress, const std::function<void()>& started) {
  const UniqueFd log(open(log_file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  int ends[2];
  if (!log || pipe2(ends, O_CLOEXEC) < 0) throw system_error(errno, "running nix");
  const UniqueFd words(ends[0]);
  UniqueFd writer(ends[1]);
  process.stderr_fd = writer.get();
  process.death_signal = SIGTERM;
  const Interruption interruption;
  ChildProcess child = spawn(process);
  writer.reset();
  if (started) started();
  Listener listener(log.get(), progress);
  std::array<char, 16384> buffer{};
  for (;;) {
    if (interruption.comes_before(words.get())) {
      // Nix ends its builders, which are in groups of their own; its death by SIGKILL would leave them.
      child.terminate(interrupted_grace);
      throw Error(what + ": it was interrupted");
    }
    const ssize_t size = read(words.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw system_error(errno, "reading what nix says");
    if (size == 0) break;
    listener.take({buffer.data(), static_cast<std::size_t>(size)});
  }
  const std::string said = listener.finish();
  const auto status = child.wait();
  if (status && status->shell_code() == 0) return;
  std::string complaint = nix_complaint(said);
  if (complaint.empty()) complaint = "it ended with code " + std::to_string(status ? status->shell_code() : -1);
  throw Error(what + (says_offline(said) ? ", because something could not be fetched: " : ": ") + complaint,
              says_offline(said)
                  ? "The first build needs the network, as every --update does. All that Nix said: " + log_file
                  : "All that Nix said: " + log_file);
}

}  // namespace agentvm::image
