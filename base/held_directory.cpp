// held_directory.cpp - openat2(2), the walk that follows links by descriptor, and what is done below a held directory.
#include "base/held_directory.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/startable.hpp"

namespace agentvm {

namespace {

constexpr int directory_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
/// As many as the kernel follows (path_resolution(7)).
constexpr int most_links = 40;

std::string name_of(int fd) {
  std::string name(PATH_MAX, '\0');
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), name.data(), name.size());
  if (size < 0) throw system_error(errno, "asking for the name of a directory");
  name.resize(static_cast<std::size_t>(size));
  return name;
}

std::optional<std::string> target_of(int dir_fd, const char* name) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = readlinkat(dir_fd, name, target.data(), target.size());
  if (size < 0) return std::nullopt;
  target.resize(static_cast<std::size_t>(size));
  return target;
}

/// Takes the first part of a path, and the slashes behind it, off.
std::string take_part(std::string& path) {
  const std::size_t end = std::min(path.find('/'), path.size());
  std::string part = path.substr(0, end);
  path.erase(0, path.find_first_not_of('/', end));
  return part;
}

bool same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// A path below a directory says so: whatever leads out of it is refused before anything is opened.
bool leads_out(std::string path) {
  if (path.starts_with('/')) return true;
  while (!path.empty()) {
    if (take_part(path) == "..") return true;
  }
  return false;
}

}  // namespace

UniqueFd open_by_steps(int dir_fd, const std::string& path, int flags, unsigned mode) {
  if (dir_fd != AT_FDCWD && leads_out(path)) {
    errno = EXDEV;
    return UniqueFd();
  }
  std::string rest = path;
  UniqueFd current;
  int from = dir_fd;
  if (rest.starts_with('/')) {
    current.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!current) return current;
    from = current.get();
    rest.erase(0, rest.find_first_not_of('/'));
  }
  while (true) {
    const std::string part = take_part(rest);
    const std::string name = part.empty() ? "." : part;
    if (rest.empty()) return UniqueFd(openat(from, name.c_str(), flags | O_NOFOLLOW, mode));
    UniqueFd next(openat(from, name.c_str(), directory_flags));
    if (!next) return next;
    current = std::move(next);
    from = current.get();
  }
}

UniqueFd open_without_links(int dir_fd, const std::string& path, int flags, unsigned mode) {
  if (dir_fd != AT_FDCWD && leads_out(path)) {
    errno = EXDEV;
    return UniqueFd();
  }
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  if (dir_fd != AT_FDCWD) how.resolve |= RESOLVE_BENEATH;
  UniqueFd fd(static_cast<int>(syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how)));
  // Containers' older filters answer EPERM to what they do not know.
  if (!fd && (errno == ENOSYS || errno == EPERM)) return open_by_steps(dir_fd, path, flags, mode);
  return fd;
}

ResolvedPath resolve_path(const std::string& path, bool others_links, int* error) {
  const auto fail = [&](int reason, const std::string& what) {
    if (error != nullptr) *error = reason;
    return system_error(reason, what);
  };
  if (path.empty()) throw fail(ENOENT, "''");
  std::string rest = path;
  int links = 0;
  ResolvedPath result;
  const auto start_at = [&](const char* directory) {
    result.fd.reset(open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!result.fd) throw fail(errno, directory);
  };
  start_at(rest.starts_with('/') ? "/" : ".");
  // A slash at the end wants a directory, as it does everywhere else.
  const bool directory_wanted = rest.ends_with('/');
  rest.erase(0, rest.find_first_not_of('/'));
  while (!rest.empty()) {
    const std::string part = take_part(rest);
    UniqueFd next(openat(result.fd.get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next) throw fail(errno, path);
    struct stat info {};
    if (fstat(next.get(), &info) < 0) throw fail(errno, path);
    if (!S_ISLNK(info.st_mode)) {
      result.fd = std::move(next);
      continue;
    }
    if (++links > most_links) throw fail(ELOOP, path);
    const std::string holder = name_of(result.fd.get());
    if (!others_links && info.st_uid != 0 && info.st_uid != geteuid()) {
      if (error != nullptr) *error = EACCES;
      throw Error("the link " + (holder == "/" ? "" : holder) + "/" + part + " on the way to " + path +
                      " belongs to another user (uid " + std::to_string(info.st_uid) + "), who decides where it leads",
                  "Name the directory itself.", ExitCode::usage);
    }
    auto target = target_of(next.get(), "");
    if (!target || target->empty()) throw fail(errno, path);
    result.links_in.push_back(holder);
    if (target->starts_with('/')) start_at("/");
    target->erase(0, target->find_first_not_of('/'));
    rest = rest.empty() ? *target : *target + "/" + rest;
  }
  struct stat info {};
  if (directory_wanted && fstat(result.fd.get(), &info) == 0 && !S_ISDIR(info.st_mode)) throw fail(ENOTDIR, path);
  result.path = name_of(result.fd.get());
  return result;
}

HeldDirectory HeldDirectory::resolve(const std::string& path, int* error) {
  ResolvedPath found = resolve_path(path, false, error);
  struct stat info {};
  if (fstat(found.fd.get(), &info) < 0 || !S_ISDIR(info.st_mode)) {
    if (error != nullptr) *error = ENOTDIR;
    throw system_error(ENOTDIR, path);
  }
  if (const auto place = led_out_of(found)) {
    if (error != nullptr) *error = EACCES;
    throw Error(path + " leads through a link in " + *place + ", where a guest may write, to " + found.path,
                "Name the directory itself.", ExitCode::usage);
  }
  HeldDirectory held(std::move(found.fd), std::move(found.path));
  held.behind_link_ = !found.links_in.empty();
  return held;
}

HeldDirectory HeldDirectory::adopt(UniqueFd fd) {
  struct stat info {};
  if (!fd || fstat(fd.get(), &info) < 0 || !S_ISDIR(info.st_mode)) {
    throw Error("a directory's descriptor was to be passed on, and there is none");
  }
  std::string path = name_of(fd.get());
  return {std::move(fd), std::move(path)};
}

UniqueFd HeldDirectory::open(const std::string& below, int flags, unsigned mode) const {
  return open_without_links(fd(), below, flags, mode);
}

std::optional<std::string> HeldDirectory::link_target(const std::string& below) const {
  const std::size_t slash = below.rfind('/');
  if (slash == std::string::npos) return target_of(fd(), below.c_str());
  const UniqueFd holder = open(below.substr(0, slash), directory_flags);
  if (!holder) return std::nullopt;
  return target_of(holder.get(), below.c_str() + slash + 1);
}

std::optional<HeldDirectory> HeldDirectory::parent() const {
  UniqueFd above(openat(fd(), "..", directory_flags));
  struct stat here {};
  struct stat there {};
  if (!above || fstat(fd(), &here) < 0 || fstat(above.get(), &there) < 0 || same(here, there)) return std::nullopt;
  std::string path = name_of(above.get());
  return HeldDirectory(std::move(above), std::move(path));
}

HeldDirectory HeldDirectory::make_parent_of(const std::string& below, unsigned mode, std::size_t* made) const {
  if (leads_out(below)) throw system_error(EXDEV, "making the directory " + path_ + "/" + below);
  HeldDirectory current = *this;
  for (std::size_t start = 0, slash = 0; (slash = below.find('/', start)) != std::string::npos; start = slash + 1) {
    const std::string name = below.substr(start, slash - start);
    if (name.empty() || name == ".") continue;
    std::string path = path_ + "/" + below.substr(0, slash);
    if (mkdirat(current.fd(), name.c_str(), mode) == 0) {
      if (made != nullptr) ++*made;
    } else if (errno != EEXIST) {
      throw system_error(errno, "making the directory " + path);
    }
    UniqueFd next(openat(current.fd(), name.c_str(), directory_flags));
    if (!next) throw system_error(errno, "opening the directory " + path);
    current = HeldDirectory(std::move(next), std::move(path));
  }
  return current;
}

void HeldDirectory::write_file(const std::string& name, std::string_view text, unsigned mode) const {
  const std::string path = path_ + "/" + name;
  if (name.empty() || name.find('/') != std::string::npos) throw system_error(EINVAL, "writing " + path);
  std::string temporary;
  UniqueFd file;
  for (unsigned attempt = 0; !file; ++attempt) {
    temporary = ".agentvm-" + std::to_string(getpid()) + "-" + std::to_string(attempt);
    file.reset(openat(fd(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600));
    if (!file && (errno != EEXIST || attempt >= 100)) throw system_error(errno, "making a file beside " + path);
  }
  try {
    write_all(file.get(), text, "writing " + path);
    if (fchmod(file.get(), mode) < 0) throw system_error(errno, "setting the mode of " + path);
    if (renameat(fd(), temporary.c_str(), fd(), name.c_str()) < 0) throw system_error(errno, "writing " + path);
  } catch (...) {
    unlinkat(fd(), temporary.c_str(), 0);
    throw;
  }
}

bool HeldDirectory::lies_in(const HeldDirectory& outer) const {
  struct stat wanted {};
  if (fstat(outer.fd(), &wanted) < 0) return false;
  for (std::optional<HeldDirectory> current = *this; current; current = current->parent()) {
    struct stat info {};
    if (fstat(current->fd(), &info) == 0 && same(info, wanted)) return true;
  }
  return false;
}

bool lies_within(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.starts_with('/');
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace agentvm
