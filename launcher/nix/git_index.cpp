// git_index.cpp - reads the index, which whoever writes in the workspace may have made.
#include "launcher/nix/git_index.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <unordered_set>

#include "base/error.hpp"
#include "launcher/nix/beneath.hpp"

namespace agentvm::devshell {

namespace {

constexpr std::size_t hash_size = 20;
constexpr std::size_t stat_size = 40;
constexpr std::size_t mode_offset = 24;
constexpr std::uint32_t name_mask = 0xfff;
constexpr std::uint32_t extended_flag = 0x4000;
constexpr char damaged[] = "it is damaged, or of a repository with SHA-256";

Error bad_index(const std::string& what) {
  return Error("its Git index cannot be read: " + what);
}

Error split_index() {
  return Error("its Git index is split", "git update-index --no-split-index");
}

/// The bytes from a place on; every step checks that they are there.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  std::size_t position() const noexcept { return position_; }
  std::size_t left() const noexcept { return bytes_.size() - position_; }

  std::string_view take(std::size_t size) {
    if (size > left()) throw bad_index("it ends too early");
    position_ += size;
    return bytes_.substr(position_ - size, size);
  }
  std::uint32_t number(std::size_t size) {
    std::uint32_t value = 0;
    for (const char c : take(size)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  /// Ended by a NUL byte, which is taken too.
  std::string_view text() {
    const std::size_t end = bytes_.find('\0', position_);
    if (end == std::string_view::npos) throw bad_index("a path has no end");
    const std::string_view out = take(end - position_);
    take(1);
    return out;
  }
  /// "Offset encoding": seven bits a byte, and one is added for each byte more.
  std::size_t offset() {
    std::size_t value = 0;
    for (int bytes = 0; bytes < 4; ++bytes) {
      const std::uint32_t byte = number(1);
      value = (bytes == 0 ? 0 : (value + 1) << 7) | (byte & 0x7f);
      if ((byte & 0x80) == 0) return value;
    }
    throw bad_index("a number is too large");
  }

 private:
  std::string_view bytes_;
  std::size_t position_ = 0;
};

/// Git's own rule for what may be checked out (verify_path), and a bound for how deep.
void check_path(std::string_view path) {
  std::size_t depth = 0;
  for (std::string_view rest = path;; rest.remove_prefix(rest.find('/') + 1)) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part.empty() || part == "." || part == ".." || part == ".git")
      throw bad_index("a path leads out of the repository");
    if (part.size() == rest.size()) break;
    if (++depth > max_directories)
      throw bad_index(fmt::format("a path is more than {} directories deep", max_directories));
  }
  if (path.size() > max_path) throw bad_index("a path is too long");
}

/// As a link, one of the two would lead the other somewhere else.
void check_above(const std::vector<std::string>& paths) {
  const std::unordered_set<std::string_view> known(paths.begin(), paths.end());
  for (const std::string_view path : paths) {
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
      if (known.contains(path.substr(0, slash))) throw bad_index("it lists a file, and others below it");
    }
  }
}

/// One entry; its path goes into `path`, which holds that of the last one. The mode.
std::uint32_t read_entry(Reader& reader, std::uint32_t version, std::string& path) {
  const std::size_t start = reader.position();
  const std::string_view stat = reader.take(stat_size);
  const std::uint32_t mode = Reader(stat.substr(mode_offset)).number(4);
  reader.take(hash_size);
  const std::uint32_t flags = reader.number(2);
  if ((flags & extended_flag) != 0) {
    if (version < 3) throw bad_index(damaged);
    reader.take(2);
  }
  if (version == 4) {
    const std::size_t removed = reader.offset();
    if (removed > path.size()) throw bad_index(damaged);
    path.resize(path.size() - removed);
    path += reader.text();
  } else {
    path = reader.text();
    // What stands in the other half has no path here.
    if (path.empty()) throw split_index();
    // Padded with NUL bytes, of which one is read, to a multiple of eight.
    reader.take((8 - (reader.position() - start) % 8) % 8);
  }
  if ((flags & name_mask) != std::min<std::size_t>(path.size(), name_mask)) {
    throw bad_index(damaged);
  }
  return mode;
}

void check_extensions(Reader& reader) {
  while (reader.left() >= 8 + hash_size) {
    const std::string_view name = reader.take(4);
    reader.take(reader.number(4));
    if (name == "link") throw split_index();
    if (name == "sdir") throw Error("its Git index is sparse", "git sparse-checkout disable");
    // An upper-case letter begins what a reader need not know.
    if (name.front() < 'A' || name.front() > 'Z') throw bad_index("it has an unknown extension");
  }
}

std::optional<std::string> index_of(const HeldDirectory& repository) {
  struct stat info {};
  if (fstatat(repository.fd(), ".git", &info, AT_SYMLINK_NOFOLLOW) < 0) return std::nullopt;
  const std::string git = (repository.path() == "/" ? "" : repository.path()) + "/.git";
  if (!S_ISDIR(info.st_mode)) {
    throw Error(git + " is no directory: the index of a Git worktree or submodule lies elsewhere, and is not read",
                "Use the repository itself, or a clone.");
  }
  const auto content = read_beneath(repository, ".git/index", max_index + 1);
  if (!content || content->link) return std::string();
  if (content->text.size() > max_index) throw Error(git + "/index is longer than 64 MiB");
  return content->text;
}

/// What a path is called below a directory that it lies in, with a slash at the end; "" for the directory itself.
std::string below(const std::string& path, const std::string& directory) {
  if (path == directory) return {};
  return path.substr(directory == "/" ? 1 : directory.size() + 1) + "/";
}

}  // namespace

std::vector<std::string> parse_git_index(std::string_view bytes) {
  Reader reader(bytes);
  if (reader.take(4) != "DIRC") throw bad_index("it does not begin as one");
  const std::uint32_t version = reader.number(4);
  if (version < 2 || version > 4) throw bad_index(fmt::format("it is of version {}", version));
  const std::uint32_t count = reader.number(4);
  if (count > max_index_entries) {
    throw Error(fmt::format("its Git index has {} files, and a flake may have {}", count, max_index_entries));
  }
  std::vector<std::string> paths;
  std::string path;
  std::size_t total = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t type = read_entry(reader, version, path) & S_IFMT;
    check_path(path);
    total += path.size();
    if (total > max_path_bytes) throw bad_index("its paths are too long");
    // In a merge a path stands there up to three times.
    const bool again = !paths.empty() && paths.back() == path;
    if ((type == S_IFREG || type == S_IFLNK) && !again) paths.push_back(path);
  }
  check_extensions(reader);
  check_above(paths);
  return paths;
}

TrackedFiles tracked_files(const HeldDirectory& workspace) {
  std::optional<HeldDirectory> repository = workspace;
  std::optional<std::string> index = index_of(*repository);
  // Upwards from the descriptor: what the directories above are called by now does not matter.
  while (!index && (repository = repository->parent())) index = index_of(*repository);
  if (!index) return {};
  TrackedFiles tracked{.repository = true, .paths = {}};
  // Renamed meanwhile, so that nobody can say what it is called in the repository: nothing of it is tracked.
  if (index->empty() || !lies_within(workspace.path(), repository->path())) return tracked;
  const std::string prefix = below(workspace.path(), repository->path());
  try {
    for (std::string& path : parse_git_index(*index)) {
      if (path.starts_with(prefix)) tracked.paths.push_back(path.substr(prefix.size()));
    }
  } catch (const Error& error) {
    throw error.wrap(workspace.path());
  }
  return tracked;
}

}  // namespace agentvm::devshell
