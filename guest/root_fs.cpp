// root_fs.cpp - from the initramfs to a root of our own.
#include "guest/root_fs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/wire/guest.hpp"

namespace agentvm::guest {

namespace {

struct Directory {
  const char* path;
  mode_t mode;
};

constexpr std::array directories{
    Directory{"/dev", 0755},     Directory{"/etc", 0755},       Directory{"/home", 0755},
    Directory{"/mnt", 0755},     Directory{"/opt", 0755},       Directory{"/proc", 0555},
    Directory{"/root", 0700},    Directory{"/run", 0755},       Directory{"/srv", 0755},
    Directory{"/sys", 0555},     Directory{"/tmp", 01777},      Directory{"/usr", 0755},
    Directory{"/var", 0755},     Directory{"/var/cache", 0755}, Directory{"/var/lib", 0755},
    Directory{"/var/log", 0755}, Directory{"/var/spool", 0755}, Directory{"/var/tmp", 01777},
};

struct Link {
  const char* path;
  const char* target;
};

constexpr std::array root_links{
    Link{"/bin", "usr/bin"},   Link{"/lib", "usr/lib"},    Link{"/lib64", "usr/lib64"},
    Link{"/sbin", "usr/sbin"}, Link{"/var/run", "../run"}, Link{"/var/lock", "../run/lock"},
};

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { closedir(directory); }
};

std::vector<std::string> names_in(const std::string& path) {
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir(path.c_str()));
  if (!directory) throw system_error(errno, "reading the directory " + path);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

void make_directory(const std::string& path, mode_t mode) {
  // chmod as well: the umask and the sticky bit.
  if ((mkdir(path.c_str(), mode) < 0 && errno != EEXIST) || chmod(path.c_str(), mode) < 0) {
    throw system_error(errno, "making the directory " + path);
  }
}

void make_symlink(const std::string& target, const std::string& path) {
  if (symlink(target.c_str(), path.c_str()) < 0) throw system_error(errno, "making the symlink " + path);
}

void copy_file(const std::string& from, const std::string& to, mode_t mode) {
  const UniqueFd source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source) throw system_error(errno, "opening " + from);
  const UniqueFd target(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!target) throw system_error(errno, "making " + to);
  constexpr std::size_t chunk = std::size_t{1} << 20;
  ssize_t sent = 0;
  while ((sent = sendfile(target.get(), source.get(), nullptr, chunk)) > 0) {
  }
  if (sent < 0) throw system_error(errno, "copying " + from + " to " + to);
  if (fchmod(target.get(), mode) < 0) throw system_error(errno, "setting the mode of " + to);
}

void mount_fs(const char* type, const std::string& path, unsigned long flags, const std::string& options) {
  if (mount(type, path.c_str(), type, flags, options.c_str()) < 0) {
    throw system_error(errno, std::string("mounting ") + type + " on " + path);
  }
}

}  // namespace

void copy_tree(const std::string& from, const std::string& to) {
  for (const std::string& name : names_in(from)) {
    const std::string source = from + "/" + name;
    const std::string target = to + "/" + name;
    struct stat info {};
    if (lstat(source.c_str(), &info) < 0) throw system_error(errno, source);
    const mode_t mode = info.st_mode & 07777;
    if (S_ISDIR(info.st_mode)) {
      make_directory(target, mode);
      copy_tree(source, target);
    } else if (S_ISLNK(info.st_mode)) {
      std::string text(static_cast<std::size_t>(info.st_size) + 1, '\0');
      const ssize_t size = readlink(source.c_str(), text.data(), text.size());
      if (size < 0) throw system_error(errno, "reading the symlink " + source);
      make_symlink(text.substr(0, static_cast<std::size_t>(size)), target);
    } else if (S_ISREG(info.st_mode)) {
      copy_file(source, target, mode);
    } else {
      continue;
    }
    if ((info.st_uid != geteuid() || info.st_gid != getegid()) &&
        lchown(target.c_str(), info.st_uid, info.st_gid) < 0) {
      throw system_error(errno, "setting the owner of " + target);
    }
  }
}

void make_skeleton(const std::string& root) {
  for (const Directory& directory : directories) make_directory(root + directory.path, directory.mode);
  for (const Link& link : root_links) make_symlink(link.target, root + link.path);
}

void build_root(const std::string& root, std::uint64_t disk_bytes) {
  make_directory(root, 0755);
  // No limit on inodes: a source tree has more files than half the pages of a small machine, the kernel's default.
  mount_fs("tmpfs", root, 0,
           "mode=755,nr_inodes=0,size=" + (disk_bytes == 0 ? std::string("50%") : std::to_string(disk_bytes)));
  make_skeleton(root);
  for (const char* lent : {"/etc", "/var"}) {
    if (access(lent, F_OK) == 0) copy_tree(lent, root + lent);
  }
  // A tmpfs of its own: a full disk must not take the services' socket away.
  mount_fs("tmpfs", root + "/run", MS_NOSUID | MS_NODEV, "mode=755,size=64m");
  make_directory(root + "/run/lock", 01777);
  make_directory(root + "/run/agentvm", 0755);
  copy_file("/proc/self/exe", root + guest_program, 0755);
}

void switch_root(const std::string& root) {
  for (const char* path : {"/proc", "/sys", "/dev"}) {
    if (mount(path, (root + path).c_str(), nullptr, MS_MOVE, nullptr) < 0) {
      throw system_error(errno, std::string("moving ") + path + " to the new root");
    }
  }
  // Its memory is better used; what does not go away is only memory.
  for (const std::string& name : names_in("/")) {
    if ("/" + name != root) static_cast<void>(remove_tree("/" + name));
  }
  if (chdir(root.c_str()) < 0) throw system_error(errno, "entering the new root");
  if (mount(".", "/", nullptr, MS_MOVE, nullptr) < 0) throw system_error(errno, "moving the new root to /");
  if (chroot(".") < 0 || chdir("/") < 0) throw system_error(errno, "changing to the new root");
}

}  // namespace agentvm::guest
