// start_gate.cpp - bubblewrap's --info-fd and --block-fd, setns(2) in a process of its own.
#include "launcher/sandbox/start_gate.hpp"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::sandbox {

namespace {

constexpr std::size_t most_info_bytes = 4096;

void make_pipe(UniqueFd& read_end, UniqueFd& write_end) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  read_end.reset(fds[0]);
  write_end.reset(fds[1]);
}

/// {"child-pid": N, ...}, which bubblewrap writes when its namespaces are made.
pid_t child_of(int info, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::string text;
  while (text.find('}') == std::string::npos && text.size() < most_info_bytes) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd item{info, POLLIN, 0};
    const int ready = poll(&item, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) throw Error("bubblewrap did not say within its time which process it made");
    char buffer[512];
    const ssize_t got = read(info, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto pid = json.is_object() ? json.find("child-pid") : json.end();
  if (!json.is_object() || pid == json.end() || !pid->is_number_integer()) {
    throw Error("bubblewrap ended before its sandbox stood");
  }
  return pid->get<pid_t>();
}

/// The user namespace that owns the network namespace, which is another than bubblewrap's last; invalid: our own.
UniqueFd owner_of(int network) {
  UniqueFd owner(ioctl(network, NS_GET_USERNS));
  if (!owner) throw system_error(errno, "asking for the owner of a sandbox's network");
  struct stat theirs {};
  struct stat ours {};
  if (fstat(owner.get(), &theirs) == 0 && stat("/proc/self/ns/user", &ours) == 0 && theirs.st_ino == ours.st_ino) {
    owner.reset();
  }
  return owner;
}

/// Between fork and _exit: async-signal-safe calls alone. Sends the socket, or an errno, to `answer`.
[[noreturn]] void listen_there(int owner, int network, int answer) noexcept {
  int listener = -1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(way_out_port);
  // Any address: the loopback device may not be up yet, and there is no other.
  const bool done = (owner < 0 || setns(owner, CLONE_NEWUSER) == 0) && setns(network, CLONE_NEWNET) == 0 &&
                    (listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0 &&
                    bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                    listen(listener, 64) == 0;
  int error = done ? 0 : errno;
  iovec data{&error, sizeof error};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (done) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &listener, sizeof listener);
  }
  _exit(sendmsg(answer, &message, MSG_NOSIGNAL) < 0 ? 1 : 0);
}

UniqueFd receive_listener(int from) {
  Received answer = receive_with_fds(from, sizeof(int), 1);
  if (answer.fds.size() == 1) return std::move(answer.fds.front());
  int error = EPIPE;
  if (answer.bytes.size() == sizeof error) std::memcpy(&error, answer.bytes.data(), sizeof error);
  throw system_error(error, "entering a sandbox's network");
}

}  // namespace

StartGate::StartGate() {
  make_pipe(said_, said_by_sandbox_);
  make_pipe(waited_by_sandbox_, held_);
}

std::vector<std::string> StartGate::arguments() const {
  return {"--info-fd", std::to_string(said_by_sandbox_.get()), "--block-fd", std::to_string(waited_by_sandbox_.get())};
}

void StartGate::started() noexcept {
  said_by_sandbox_.reset();
  waited_by_sandbox_.reset();
}

UniqueFd StartGate::listen_inside(std::chrono::milliseconds limit) {
  const pid_t child = child_of(said_.get(), limit);
  // Nobody else can have the number: bubblewrap waits for us, and it is its parent.
  const std::string place = "/proc/" + std::to_string(child) + "/ns/net";
  const UniqueFd network(::open(place.c_str(), O_RDONLY | O_CLOEXEC));
  if (!network) throw system_error(errno, "opening " + place);
  const UniqueFd owner = owner_of(network.get());
  auto [ours, theirs] = socket_pair();
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t helper = fork();
  if (helper == 0) listen_there(owner.get(), network.get(), theirs.get());
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (helper < 0) throw system_error(fork_error, "starting a process that enters a sandbox's network");
  theirs.reset();
  int status = 0;
  while (waitpid(helper, &status, 0) < 0 && errno == EINTR) {
  }
  return receive_listener(ours.get());
}

}  // namespace agentvm::sandbox
