// workspace_listing.hpp - what lay in the workspace before the agent started, and what changed since; beside the loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/async/event.hpp"
#include "base/async/offload.hpp"
#include "base/held_directory.hpp"
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
  /// What is different now; `truncated` without any file when there is nothing to compare with.
  boost::asio::awaitable<workspace::WorkspaceChanges> changes();

 private:
  HeldDirectory workspace_;
  std::string keep_dir_;
  std::shared_ptr<const workspace::Snapshot> before_;
  bool taken_ = false;
  AsyncEvent changed_;
  BlockingWorker worker_;
};

}  // namespace agentvm::supervisor
