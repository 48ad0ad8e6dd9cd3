// logs.cpp - agentvm logs: prints a VM's log, and follows it by inotify.
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::commands {

namespace {

constexpr std::array<std::string_view, 8> sources{"agent", "console",   "supervisor", "mcp",
                                                  "model", "virtiofsd", "vmm",        "events"};

std::string log_file(const state::VmPaths& paths, const std::string& source) {
  for (const std::string_view known : sources) {
    if (source != known) continue;
    const bool journal = source == "mcp" || source == "model" || source == "events";
    return journal ? paths.journal(source) : paths.log(source);
  }
  std::string all;
  for (const std::string_view known : sources) all += (all.empty() ? "" : ", ") + std::string(known);
  const auto near = vmspec::nearest(source, sources);
  throw Error("there is no log source " + vmspec::quote_value(source),
              near ? "Did you mean '" + *near + "'?" : "The sources are " + all + ".", ExitCode::usage);
}

/// Whether a log is shown without what drives a terminal. The console, the VMM and virtiofsd say what a guest makes
/// them say, and the supervisor quotes them. What the agent printed and the JSON lines are data for a program, and
/// drive no terminal unless stdout is one.
bool must_be_plain(const std::string& source) {
  const bool data = source == "agent" || source == "mcp" || source == "model" || source == "events";
  return !data || isatty(STDOUT_FILENO) == 1;
}

/// Prints what is there from where the last call stopped.
void copy_new(int fd, std::optional<PlainText>& plain) {
  std::vector<char> buffer(std::size_t{64} << 10);
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "reading the log");
    if (got == 0) return;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    print(plain ? plain->add(bytes) : bytes);
  }
}

/// Waits for news of the file, its directory, the supervisor's end, or the end of our reader.
void wait_for_news(int watch, int supervisor) {
  std::array<pollfd, 3> items{{{watch, POLLIN, 0}, {supervisor, POLLIN, 0}, {STDOUT_FILENO, 0, 0}}};
  while (poll(items.data(), items.size(), -1) < 0) {
    if (errno != EINTR) throw system_error(errno, "waiting for the log");
  }
  std::array<char, 4096> events{};
  while (read(watch, events.data(), events.size()) > 0) {
  }
}

bool reader_gone() {
  pollfd item{STDOUT_FILENO, 0, 0};
  return poll(&item, 1, 0) > 0 && (item.revents & (POLLERR | POLLHUP)) != 0;
}

void follow(const state::VmPaths& paths, const std::string& path, UniqueFd file, std::optional<PlainText>& plain) {
  const UniqueFd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch) throw system_error(errno, "starting to watch " + path);
  // The directory tells when the file appears, and when the VM goes.
  if (inotify_add_watch(watch.get(), paths.state_dir.c_str(), IN_MODIFY | IN_CREATE | IN_DELETE_SELF) < 0) {
    if (errno == ENOENT) return;
    throw system_error(errno, "watching " + paths.state_dir);
  }
  const UniqueFd supervisor = supervisor_pidfd(paths);
  for (;;) {
    const bool alive = state::is_alive(paths);  // asked first: what is written before the end is still printed
    if (!file) file.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file) copy_new(file.get(), plain);
    if (!alive || reader_gone()) return;
    wait_for_news(watch.get(), supervisor.get());
  }
}

}  // namespace

int logs(const LogsOptions& options, const Context& context) {
  const state::VmPaths paths = named_or_implied_vm(context.roots, options.name);
  const std::string path = log_file(paths, options.source);
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && errno != ENOENT) throw system_error(errno, "opening " + path);
  std::optional<PlainText> plain;
  if (must_be_plain(options.source)) plain.emplace();
  if (options.follow) {
    follow(paths, path, std::move(file), plain);
    return 0;
  }
  if (!file) {
    print_error("agentvm: the " + options.source + " log of '" + paths.name + "' is empty so far\n");
    return 0;
  }
  copy_new(file.get(), plain);
  return 0;
}

}  // namespace agentvm::commands
