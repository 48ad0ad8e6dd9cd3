// results_file.cpp - opens, reads, repairs and appends.
#include "launcher/map/results_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::batch {

namespace {

Error refused(const std::string& what, const std::string& hint) {
  return Error(what, hint, ExitCode::usage);
}

/// Whether these can be the first bytes of a line of ours: nobody else's file is shortened.
bool begins_a_result(std::string_view text) {
  constexpr std::string_view start = R"({"id":")";
  return text.substr(0, start.size()) == start.substr(0, text.size());
}

}  // namespace

ResultsFile::ResultsFile(const HeldDirectory& directory, const std::string& name, bool resume)
    : path_((directory.path() == "/" ? "" : directory.path()) + "/" + name),
      fd_(directory.open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  if (!fd_) throw system_error(errno, "opening the results file " + path_);
  if (flock(fd_.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK) throw system_error(errno, "locking the results file " + path_);
    throw refused("another agentvm map writes to the results file " + path_,
                  "Wait for it, or name another file: --results FILE");
  }
  // A new file's name is on the disk too.
  const UniqueFd listing = directory.open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!listing || (fsync(listing.get()) < 0 && errno != EINVAL)) {
    throw system_error(errno, "writing the directory of " + path_);
  }
  const off_t size = lseek(fd_.get(), 0, SEEK_END);
  if (size < 0) throw system_error(errno, "reading the results file " + path_);
  if (size > 0 && !resume) {
    throw refused("the results file " + path_ + " has results already",
                  "--resume does what is left of them; --results FILE begins another file.");
  }
  if (size > 0) read();
}

void ResultsFile::read() {
  constexpr std::size_t piece = 1 << 16;
  std::string text;  // what follows the last newline so far
  std::size_t line = 0;
  off_t at = 0;
  for (;;) {
    char buffer[piece];
    const ssize_t got = pread(fd_.get(), buffer, sizeof buffer, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "reading the results file " + path_);
    if (got == 0) break;
    at += got;
    text.append(buffer, static_cast<std::size_t>(got));
    std::size_t start = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', start)) {
      take(std::string_view(text).substr(start, end - start), ++line);
      start = end + 1;
    }
    text.erase(0, start);
    if (text.size() > max_result_bytes) take(text, line + 1);
  }
  if (text.empty()) return;
  if (!begins_a_result(text)) take(text, line + 1);
  // Only the last line can be half there: each is written whole before the next begins.
  if (ftruncate(fd_.get(), at - static_cast<off_t>(text.size())) < 0 || fsync(fd_.get()) < 0) {
    throw system_error(errno, "repairing the results file " + path_);
  }
  repaired_ = text.size();
}

void ResultsFile::take(std::string_view text, std::size_t line) {
  try {
    const TaskResult result = result_from_line(text);
    const auto [before, fresh] = done_.emplace(result.id, Done{result.digest, result.exit_code, line});
    if (fresh) return;
    throw Error(
        fmt::format("{} has its result in line {} already", vmspec::quote_value(result.id), before->second.line));
  } catch (const Error& error) {
    throw refused(
        fmt::format("{}:{}: {}", path_, line, error.what()),
        "A results file has one line for each task; take that line out, or name another file: --results FILE");
  }
}

void ResultsFile::append(const TaskResult& result) {
  write_all(fd_.get(), to_line(result), "writing the results file " + path_);
  if (fdatasync(fd_.get()) < 0) throw system_error(errno, "writing the results file " + path_);
}

void check_same_tasks(const ResultsFile& results, const std::vector<Task>& tasks) {
  for (const Task& task : tasks) {
    const auto found = results.done().find(task.id);
    if (found == results.done().end() || found->second.digest == task.digest) continue;
    throw refused(fmt::format("{}:{}: the result of {} is of another task than line {} of the tasks file",
                              results.path(), found->second.line, vmspec::quote_value(task.id), task.line),
                  "Give tasks an \"id\" so that lines can move, or name another file: --results FILE");
  }
}

}  // namespace agentvm::batch
