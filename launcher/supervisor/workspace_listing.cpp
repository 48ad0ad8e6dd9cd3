// workspace_listing.cpp - two walks of the workspace on a thread of their own.
#include "launcher/supervisor/workspace_listing.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/error.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

WorkspaceListing::WorkspaceListing(asio::any_io_executor executor, HeldDirectory workspace, std::string keep_dir)
    : workspace_(std::move(workspace)), keep_dir_(std::move(keep_dir)), changed_(executor), worker_(executor) {}

asio::awaitable<void> WorkspaceListing::take() {
  auto walk = [workspace = workspace_, keep = keep_dir_] {
    return std::make_shared<const Before>(
        Before{workspace::take_snapshot(workspace, keep), workspace::git_places(workspace.fd())});
  };
  auto walked = worker_.run(std::move(walk));
  try {
    if (workspace_) before_ = co_await std::move(walked);
  } catch (const Error& error) {
    spdlog::warn("the report will list no files: {}", error.what());
  }
  taken_ = true;
  changed_.notify();
}

asio::awaitable<void> WorkspaceListing::taken() {
  while (!taken_) co_await changed_.wait();
}

asio::awaitable<WorkspaceListing::Changes> WorkspaceListing::changes() {
  Changes none;
  none.files.truncated = true;
  if (!before_) co_return none;
  auto walk = [before = before_, workspace = workspace_] {
    return Changes{workspace::changes_since(before->files, workspace),
                   workspace::git_changes(before->git, workspace::git_places(workspace.fd()))};
  };
  auto walked = worker_.run(std::move(walk));
  try {
    auto changes = co_await std::move(walked);
    co_return changes;
  } catch (const Error& error) {
    spdlog::warn("the report lists no files: {}", error.what());
  }
  co_return none;
}

asio::awaitable<void> WorkspaceListing::idle() {
  auto nothing = worker_.run([] {});
  co_await std::move(nothing);
}

}  // namespace agentvm::supervisor
