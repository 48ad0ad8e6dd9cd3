// workspace_listing.hpp - what lay in the workspace before the agent started, and what changed since; beside the loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async/event.hpp"
#include "base/async/offload.hpp"
#include "base/held_directory.hpp"
#include "launcher/workspace/git_guard.hpp"
#include "launcher/workspace/snapshot.hpp"

namespace agentvm::supervisor {

class WorkspaceListing {
 public:
  /// `keep_dir` gets the texts that line counts need. Without a workspace there is nothing to list.
  WorkspaceListing(boost::asio::any_io_executor executor, HeldDirectory workspace, std::string keep_dir);

  /// Walks the workspace. Never throws: without a listing the report lists no files.
  boost::asio::awaitable<void> take();
  /// Completes when take() has.
  boost::asio::awaitable<void> taken();
  struct Changes {
    workspace::WorkspaceChanges files;      ///< `truncated` without any file: there is nothing to compare with
    std::vector<workspace::GitChange> git;  ///< what the host's Git would execute now and would not have before
  };
  /// What is different now.
  boost::asio::awaitable<Changes> changes();
  /// Completes when nothing is walked any more: a walk that nobody waits for goes on, and writes to `keep_dir`.
  boost::asio::awaitable<void> idle();

 private:
  HeldDirectory workspace_;
  std::string keep_dir_;
  struct Before {
    workspace::Snapshot files;
    workspace::GitPlaces git;
  };
  std::shared_ptr<const Before> before_;
  bool taken_ = false;
  AsyncEvent changed_;
  BlockingWorker worker_;
};

}  // namespace agentvm::supervisor
