// snapshot.cpp - two walks over a workspace: the first keeps, the second compares while it goes.
//
// A walk visits paths in byte order. For that the names of a directory are sorted with "/" after those of directories,
// as git sorts its trees. So a walk that meets a limit has seen everything up to its last path and nothing beyond, two
// walks can be merged as they are, and no list of what is there now is needed.
#include "launcher/workspace/snapshot.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/directory.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "launcher/workspace/line_diff.hpp"

namespace agentvm::workspace {
namespace {

constexpr int max_depth = 128;           // one descriptor and one directory buffer each
constexpr std::size_t max_path = 4096;   // PATH_MAX: nobody could open a longer one
constexpr std::size_t mean_path = 256;   // bytes of path one entry may use on average
constexpr std::size_t text_head = 8192;  // a NUL in here makes a file binary (git looks at 8000 bytes)
constexpr std::size_t flush_size = std::size_t{1} << 20;
constexpr std::size_t diff_work = 200'000'000;  // steps for all line counts of one report: seconds at most

SnapshotEntry entry_of(std::string path, const struct stat& info) {
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {.path = std::move(path),
          .size = static_cast<std::uint64_t>(info.st_size),
          .mtime_ns = nanoseconds(info.st_mtim),
          .ctime_ns = nanoseconds(info.st_ctim),
          .inode = info.st_ino,
          .mode = info.st_mode};
}

bool is_listed(const struct stat& info) {
  return S_ISREG(info.st_mode) || S_ISLNK(info.st_mode);
}

UniqueFd open_root(const HeldDirectory& dir) {
  UniqueFd fd = dir.open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!fd) throw system_error(errno, "opening the workspace " + dir.path());
  return fd;
}

/// What is done with what a walk meets, in byte order of the paths.
class Visitor {
 public:
  Visitor() = default;
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  virtual ~Visitor() = default;
  /// A file or link, called `name` in the directory `dir_fd`. False ends the walk.
  virtual bool file(int dir_fd, const char* name, SnapshotEntry entry) = 0;
  /// What begins with `prefix` ("a/b/", or the path of a file) cannot be looked at. False ends the walk.
  virtual bool unread(const std::string& prefix) = 0;
};

class Walk {
 public:
  Walk(Visitor& visitor, const SnapshotLimits& limits)
      : visitor_(visitor),
        entries_left_(limits.entries),
        names_left_(limits.entries * 4 + 1024),  // directories, devices and sockets are not entries but take time too
        path_bytes_left_(limits.entries * mean_path + max_path) {}

  /// False: a limit was reached, or the visitor ended it.
  bool run(UniqueFd root) {
    struct stat info {};
    if (fstat(root.get(), &info) != 0) throw system_error(errno, "looking at the workspace");
    device_ = info.st_dev;
    return enter(std::move(root), "", 0);
  }
  bool limit_reached() const { return limit_reached_; }

 private:
  bool stop() {
    limit_reached_ = true;
    return false;
  }

  /// All names of a directory in path order, those of directories with "/" at the end; nullopt: it cannot be read, or
  /// there are more than names_left_ (then limit_reached_).
  std::optional<std::vector<std::string>> names(DIR* dir) {
    std::vector<std::string> found;
    while (true) {
      errno = 0;
      const dirent* entry = readdir(dir);
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (names_left_ == 0) {
        limit_reached_ = true;
        return std::nullopt;
      }
      --names_left_;
      unsigned char type = entry->d_type;
      struct stat info {};
      if (type == DT_UNKNOWN && fstatat(dirfd(dir), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
        type = static_cast<unsigned char>(IFTODT(info.st_mode));
      }
      if (type == DT_DIR) {
        if (name != ".git") found.push_back(name + '/');
      } else if (type == DT_REG || type == DT_LNK) {
        found.push_back(std::move(name));
      }
    }
    if (errno != 0) return std::nullopt;
    std::sort(found.begin(), found.end());
    return found;
  }

  /// Recursion ends at max_depth; a frame is some hundred bytes.
  bool enter(UniqueFd fd, const std::string& prefix, int depth) {
    const Directory dir(fdopendir(fd.get()));
    if (!dir) return visitor_.unread(prefix);
    (void)fd.release();  // the DIR has it now
    const auto found = names(dir.get());
    if (!found) return limit_reached_ ? false : visitor_.unread(prefix);
    for (const std::string& name : *found) {
      std::string path = prefix + name;
      if (path.size() > path_bytes_left_) return stop();
      path_bytes_left_ -= path.size();
      if (name.back() == '/') {
        if (!enter_child(dirfd(dir.get()), name, path, depth)) return false;
        continue;
      }
      struct stat info {};
      if (fstatat(dirfd(dir.get()), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT || visitor_.unread(path)) continue;  // a directory may be listed but not searched
        return false;
      }
      if (!is_listed(info)) continue;
      if (path.size() >= max_path) {
        if (!visitor_.unread(path)) return false;
        continue;
      }
      if (entries_left_ == 0) return stop();
      --entries_left_;
      if (!visitor_.file(dirfd(dir.get()), name.c_str(), entry_of(std::move(path), info))) return false;
    }
    return true;
  }

  bool enter_child(int dir_fd, const std::string& name, const std::string& path, int depth) {
    if (depth + 1 >= max_depth || path.size() >= max_path) return visitor_.unread(path);
    UniqueFd child(openat(dir_fd, name.substr(0, name.size() - 1).c_str(),
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!child) return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || visitor_.unread(path);
    struct stat info {};
    if (fstat(child.get(), &info) != 0 || info.st_dev != device_) return visitor_.unread(path);
    return enter(std::move(child), path, depth + 1);
  }

  Visitor& visitor_;
  dev_t device_ = 0;
  std::size_t entries_left_, names_left_, path_bytes_left_;
  bool limit_reached_ = false;
};

/// Reads texts without ever waiting: what is there may be a FIFO by the time it is opened.
class TextReader {
 public:
  /// `budget` bounds the bytes read in all.
  TextReader(std::size_t longest, std::size_t budget) : buffer_(longest + 1, '\0'), budget_(budget) {}

  /// The text, valid until the next call; nullopt: not a text, too long, unreadable, or the budget is spent.
  std::optional<std::string_view> read(int dir_fd, const char* name, const SnapshotEntry& entry) {
    if (entry.size >= buffer_.size() || entry.size > budget_) return std::nullopt;
    if (S_ISLNK(entry.mode)) {
      const ssize_t length = readlinkat(dir_fd, name, buffer_.data(), buffer_.size());
      return length < 0 ? std::nullopt : accept(static_cast<std::size_t>(length));
    }
    if (entry.size == 0) return std::string_view();
    const UniqueFd fd(openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat info {};
    if (!fd || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
    std::size_t length = 0;
    while (length < buffer_.size()) {
      const std::size_t head = length < text_head ? std::min(text_head, buffer_.size()) : buffer_.size();
      const ssize_t got = ::read(fd.get(), buffer_.data() + length, head - length);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::nullopt;
      const std::size_t seen = std::min(length, text_head);
      length += static_cast<std::size_t>(got);
      if (std::string_view(buffer_).substr(0, std::min(length, text_head)).find('\0', seen) != std::string_view::npos) {
        return spent(length);
      }
      if (got == 0 || length == static_cast<std::size_t>(info.st_size)) break;
    }
    return accept(length);
  }

 private:
  std::optional<std::string_view> spent(std::size_t length) {
    budget_ -= std::min(budget_, length);
    return std::nullopt;
  }
  std::optional<std::string_view> accept(std::size_t length) {
    if (length >= buffer_.size()) return spent(length);
    budget_ -= std::min(budget_, length);
    return std::string_view(buffer_).substr(0, length);
  }

  std::string buffer_;
  std::size_t budget_;
};

/// The first walk: everything goes into the Snapshot, texts into one file.
class Keeper final : public Visitor {
 public:
  Keeper(Snapshot& snapshot, const SnapshotLimits& limits)
      : snapshot_(snapshot), left_(limits.kept_total), reader_(limits.kept_file, SIZE_MAX) {
    make_directories(snapshot.keep_dir, 0700);
    const std::string path = snapshot.keep_dir + "/texts";
    texts_.reset(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!texts_) throw system_error(errno, "making " + path);
  }

  bool file(int dir_fd, const char* name, SnapshotEntry entry) override {
    const auto text = entry.size <= left_ ? reader_.read(dir_fd, name, entry) : std::nullopt;
    if (text && text->size() <= left_) {
      left_ -= text->size();
      entry.kept_at = offset_;
      entry.size = text->size();  // it may have grown since it was looked at
      offset_ += static_cast<std::int64_t>(text->size());
      pending_ += *text;
      if (pending_.size() >= flush_size) flush();
    }
    snapshot_.entries.push_back(std::move(entry));
    return true;
  }
  bool unread(const std::string& prefix) override {
    snapshot_.unread.push_back(prefix);
    return true;
  }
  void flush() {
    write_all(texts_.get(), pending_, "writing " + snapshot_.keep_dir + "/texts");
    pending_.clear();
  }

 private:
  Snapshot& snapshot_;
  std::size_t left_;
  TextReader reader_;
  UniqueFd texts_;
  std::string pending_;
  std::int64_t offset_ = 0;
};

/// The second walk: goes through the entries of before as the paths of now come by.
class Comparer final : public Visitor {
 public:
  Comparer(const Snapshot& before, std::size_t max_files, const SnapshotLimits& limits)
      : before_(before),
        max_files_(max_files),
        reader_(limits.kept_file, 2 * limits.kept_total),
        texts_(open((before.keep_dir + "/texts").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) {
    changes_.truncated = before.truncated || !before.unread.empty();
  }

  bool file(int dir_fd, const char* name, SnapshotEntry now) override {
    if (!deleted_before(now.path)) return false;
    if (next_ < before_.entries.size() && before_.entries[next_].path == now.path) {
      return compare(before_.entries[next_++], dir_fd, name, now);
    }
    if (before_.truncated && next_ == before_.entries.size()) return false;  // from here on nothing is known of before
    if (was_unread(now.path)) return true;
    const auto text = reader_.read(dir_fd, name, now);
    return text ? add(now.path, 'A', count_lines(*text), 0) : add(now.path, 'A', -1, -1);
  }

  bool unread(const std::string& prefix) override {
    if (!deleted_before(prefix)) return false;
    changes_.truncated = true;
    while (next_ < before_.entries.size() && before_.entries[next_].path.starts_with(prefix)) ++next_;
    return true;
  }

  /// After the last path: whatever of before was not met is gone.
  void finish() {
    while (next_ < before_.entries.size() && add_deleted(before_.entries[next_])) ++next_;
  }

  /// After a limit: looks at each remaining entry of before by its path.
  void look_up_rest(int root_fd) {
    changes_.truncated = true;
    bool go_on = true;
    while (go_on && next_ < before_.entries.size()) go_on = look_up(root_fd, before_.entries[next_++]);
  }

  WorkspaceChanges take() { return std::move(changes_); }

 private:
  bool add(const std::string& path, char kind, std::int64_t added, std::int64_t removed) {
    if (changes_.files.size() >= max_files_) {
      changes_.truncated = true;
      return false;
    }
    changes_.files.push_back({.path = path, .kind = kind, .added = added, .removed = removed});
    return true;
  }

  bool add_deleted(const SnapshotEntry& was) {
    const auto text = kept(was);
    return text ? add(was.path, 'D', 0, count_lines(*text)) : add(was.path, 'D', -1, -1);
  }

  bool deleted_before(std::string_view path) {
    for (; next_ < before_.entries.size() && before_.entries[next_].path < path; ++next_) {
      if (!add_deleted(before_.entries[next_])) return false;
    }
    return true;
  }

  bool was_unread(std::string_view path) const {
    auto after = std::upper_bound(before_.unread.begin(), before_.unread.end(), path);
    return after != before_.unread.begin() && path.starts_with(*--after);
  }

  std::optional<std::string> kept(const SnapshotEntry& was) const {
    if (was.kept_at < 0 || !texts_) return std::nullopt;
    std::string text(was.size, '\0');
    std::size_t length = 0;
    while (length < text.size()) {
      const ssize_t got =
          pread(texts_.get(), text.data() + length, text.size() - length, was.kept_at + static_cast<off_t>(length));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return std::nullopt;
      length += static_cast<std::size_t>(got);
    }
    return text;
  }

  bool compare(const SnapshotEntry& was, int dir_fd, const char* name, const SnapshotEntry& now) {
    if (was.size == now.size && was.mtime_ns == now.mtime_ns && was.ctime_ns == now.ctime_ns &&
        was.inode == now.inode && was.mode == now.mode) {
      return true;
    }
    const auto old_text = kept(was);
    const auto new_text = old_text ? reader_.read(dir_fd, name, now) : std::nullopt;
    if (!new_text) return add(was.path, 'M', -1, -1);
    if (was.mode == now.mode && *old_text == *new_text) return true;
    const LineCounts lines = count_changed_lines(*old_text, *new_text, diff_work_);
    return add(was.path, 'M', lines.added, lines.removed);
  }

  bool look_up(int root_fd, const SnapshotEntry& was) {
    UniqueFd parent;
    int dir_fd = root_fd;
    std::size_t start = 0;
    for (std::size_t slash = 0; (slash = was.path.find('/', start)) != std::string::npos; start = slash + 1) {
      parent = UniqueFd(
          openat(dir_fd, was.path.substr(start, slash - start).c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!parent) return gone(errno) ? add_deleted(was) : true;
      if (device_of(parent.get()) != device_of(root_fd)) return true;
      dir_fd = parent.get();
    }
    const char* name = was.path.c_str() + start;
    struct stat info {};
    if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return gone(errno) ? add_deleted(was) : true;
    return is_listed(info) ? compare(was, dir_fd, name, entry_of(was.path, info)) : add_deleted(was);
  }
  static dev_t device_of(int fd) {
    struct stat info {};
    return fstat(fd, &info) == 0 ? info.st_dev : dev_t{0};
  }
  static bool gone(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

  const Snapshot& before_;
  std::size_t max_files_;
  TextReader reader_;
  UniqueFd texts_;
  WorkspaceChanges changes_;
  std::size_t next_ = 0;  ///< the first entry of before not dealt with
  std::size_t diff_work_ = diff_work;
};

}  // namespace

Snapshot take_snapshot(const HeldDirectory& dir, const std::string& keep_dir, const SnapshotLimits& limits) {
  Snapshot snapshot;
  snapshot.keep_dir = keep_dir;
  UniqueFd root = open_root(dir);
  Keeper keeper(snapshot, limits);
  Walk walk(keeper, limits);
  snapshot.truncated = !walk.run(std::move(root));
  keeper.flush();
  return snapshot;
}

WorkspaceChanges changes_since(const Snapshot& before, const HeldDirectory& dir, std::size_t max_files,
                               const SnapshotLimits& limits) {
  const UniqueFd root = open_root(dir);
  Comparer comparer(before, max_files, limits);
  Walk walk(comparer, limits);
  if (walk.run(open_root(dir))) {
    comparer.finish();
  } else if (walk.limit_reached()) {
    comparer.look_up_rest(root.get());
  }
  return comparer.take();
}

}  // namespace agentvm::workspace
