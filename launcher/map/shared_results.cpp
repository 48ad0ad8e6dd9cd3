// shared_results.cpp - links, locks and lists.
#include "launcher/map/shared_results.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/directory.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::batch {

namespace {

/// Made anew in each publish; a machine that lost power in it leaves one behind.
constexpr char unfinished[] = ".unfinished.";

}  // namespace

SharedResults SharedResults::open(const std::string& path, bool make) {
  SharedResults shared;
  if (make) {
    for (const char* below : {"", "/done", "/claims"}) make_directories(path + below);
  }
  shared.directory_ = HeldDirectory::resolve(path);
  shared.done_ = HeldDirectory::resolve(shared.directory_.path() + "/done");
  shared.claims_ = HeldDirectory::resolve(shared.directory_.path() + "/claims");
  return shared;
}

std::optional<TaskResult> SharedResults::find(const std::string& id) const {
  const UniqueFd file = done_.open(id, O_RDONLY | O_CLOEXEC);
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    throw system_error(errno, "opening the result " + done_.path() + "/" + id);
  }
  std::string text = read_file("/proc/self/fd/" + std::to_string(file.get()), max_result_bytes);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  try {
    return result_from_line(text);
  } catch (const Error& error) {
    throw error.wrap(done_.path() + "/" + id);
  }
}

std::vector<std::string> SharedResults::ids() const {
  // Opened anew each time: NFS looks for what other machines have added when a directory is opened.
  UniqueFd fd = done_.open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Directory listing(fd ? fdopendir(fd.get()) : nullptr);
  if (!listing) throw system_error(errno, "listing " + done_.path());
  static_cast<void>(fd.release());  // closedir closes it
  std::vector<std::string> found;
  while (const dirent* entry = readdir(listing.get())) {
    const std::string name = entry->d_name;
    if (name.front() != '.') found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool SharedResults::publish(const TaskResult& result) const {
  const std::string temporary = unfinished + result.id + "." + host_name() + "." + std::to_string(getpid());
  const std::string what = "writing the result " + done_.path() + "/" + result.id;
  {
    const UniqueFd file = done_.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (!file) throw system_error(errno, what);
    write_all(file.get(), to_line(result), what);
    if (fsync(file.get()) < 0) throw system_error(errno, what);
  }
  const int linked = linkat(done_.fd(), temporary.c_str(), done_.fd(), result.id.c_str(), 0);
  const int error = errno;
  unlinkat(done_.fd(), temporary.c_str(), 0);
  if (linked < 0 && error == EEXIST) return false;
  if (linked < 0) throw system_error(error, what);
  const UniqueFd listing = done_.open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!listing || (fsync(listing.get()) < 0 && errno != EINVAL)) throw system_error(errno, what);
  return true;
}

UniqueFd SharedResults::open_claim(const std::string& id) const {
  UniqueFd file = claims_.open(id, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (!file) throw system_error(errno, "opening the claim " + claims_.path() + "/" + id);
  return file;
}

std::optional<UniqueFd> SharedResults::try_claim(const std::string& id) const {
  UniqueFd file = open_claim(id);
  if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno == EWOULDBLOCK) return std::nullopt;
  throw system_error(errno, "locking the claim " + claims_.path() + "/" + id);
}

UniqueFd SharedResults::claim(const std::string& id) const {
  UniqueFd file = open_claim(id);
  while (flock(file.get(), LOCK_EX) < 0) {
    if (errno != EINTR) throw system_error(errno, "locking the claim " + claims_.path() + "/" + id);
  }
  return file;
}

std::string SharedResults::remove() const {
  return remove_tree(directory_.path());
}

}  // namespace agentvm::batch
