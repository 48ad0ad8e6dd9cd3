// share_server.hpp - one virtiofsd per share, always sandboxed.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/held_directory.hpp"
#include "base/process.hpp"
#include "launcher/machine/share_watch.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::workspace {

/// Who starts virtiofsd, and to whom a `caller` share's files belong.
struct ShareIdentity {
  std::uint32_t caller_uid = 0, caller_gid = 0;      ///< of this process
  std::uint32_t owner_uid = 0, owner_gid = 0;        ///< VmSpec::owner_uid, owner_gid
  std::uint32_t agent_uid = 1000, agent_gid = 1000;  ///< inside the guest
};

/// virtiofsd's arguments for one share, without the program. `directory` is where it finds what it shares, `listen_fd`
/// the listening socket it inherits. Pure.
/// Throws Error when the share's owner is somebody whom the caller cannot act as.
std::vector<std::string> virtiofsd_arguments(const vmspec::ShareSpec& share, const std::string& directory,
                                             const ShareIdentity& identity, int listen_fd);

/// As many descriptors as a virtiofsd may have, and so as many inodes as it can serve: it holds one for each that the
/// guest remembers. A million (virtiofsd's own default), or our hard limit, which is raised where we may.
std::uint64_t inode_limit() noexcept;

/// Everything one share's server needs.
struct ShareServerOptions {
  vmspec::ShareSpec share;
  HeldDirectory directory;  ///< what is shared; share.source is its name, for messages
  std::string virtiofsd;    ///< absolute path
  /// A directory in one of ours that no guest and no VMM can write; made here, removed with the server. virtiofsd opens
  /// what it shares by a path, after it was started: in its mount namespace `directory` is there.
  std::string mount_place;
  std::string socket;    ///< made here; removed when the server is destroyed; "": a listener is given
  std::string log;       ///< virtiofsd's words are appended to it, up to ShareWatch::log_limit bytes in all
  std::string instance;  ///< the VM's uuid, for its environment
  ShareIdentity identity;
};

/// A socket as a virtiofsd wants to inherit it: listening for one VMM, blocking. Throws Error.
UniqueFd listen_for_share(const std::string& path);

/// A running virtiofsd. The socket listens when the constructor returns, so a VMM may connect at once; virtiofsd serves
/// nobody before its sandbox stands. Destroying it ends virtiofsd and removes the socket. Construct it on a thread that
/// lives as long as the VM (the child dies with the thread that started it).
class ShareServer {
 public:
  /// `listener`: a socket of listen_for_share, which somebody else removes; none: it is made at options.socket. Throws
  /// Error when no directory is held or virtiofsd cannot be started.
  explicit ShareServer(ShareServerOptions options, UniqueFd listener = {});
  ShareServer(ShareServer&& other) noexcept;
  ShareServer& operator=(ShareServer&& other) noexcept;
  ShareServer(const ShareServer&) = delete;
  ShareServer& operator=(const ShareServer&) = delete;
  ~ShareServer();

  const std::string& tag() const noexcept { return options_.share.tag; }
  const std::string& socket() const noexcept { return options_.socket; }
  int pidfd() const noexcept { return child_.pidfd(); }  ///< readable when it has ended
  /// Every process of it: virtiofsd and, once its sandbox stands, the worker in it.
  std::vector<pid_t> processes() const;

  /// Completes when virtiofsd has ended by itself; returns the sentence and hint to show. It ends when the VMM closes
  /// its connection, so during a teardown this is no failure. At most one wait at a time; cancellable.
  boost::asio::awaitable<Error> ended();

  /// SIGTERM, then SIGKILL after the grace; both processes are gone when it returns. Idempotent.
  void stop(std::chrono::milliseconds grace) noexcept;

 private:
  ShareServerOptions options_;
  std::unique_ptr<ShareWatch> watch_;  // outlives the child, which waits for it
  ChildProcess child_;
};

}  // namespace agentvm::workspace
