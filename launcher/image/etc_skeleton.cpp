// etc_skeleton.cpp - walks the allow-list.
#include "launcher/image/etc_skeleton.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <set>

#include "base/directory.hpp"

namespace agentvm::image {

namespace {

/// Names in /etc; a directory brings all below it. Patterns (fnmatch(3)) stand for one name.
constexpr const char* allowed[] = {
    "alternatives",
    "ca-certificates.conf",
    "crypto-policies/back-ends",
    "debian_version",
    "fonts",
    "gai.conf",
    "groff",
    "inputrc",
    "java-*-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "libaudit.conf",
    "locale.alias",
    "localtime",
    "magic",
    "magic.mime",
    "mime.types",
    "perl",
    "pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "pki/tls/cert.pem",
    "pki/tls/certs/ca-bundle.crt",
    "pki/tls/openssl.cnf",
    "protocols",
    "python2.*",
    "python3",
    "python3.*",
    "R",
    "rpc",
    "security/limits.conf",
    "services",
    "ssl/certs/ca-certificates.crt",
    "ssl/certs/java/cacerts",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
};

constexpr off_t largest_file = 8 << 20;
constexpr std::size_t most_entries = 5000;
constexpr int deepest = 8;

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  const Directory directory(opendir(path.c_str()));
  while (directory) {
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Walk {
 public:
  explicit Walk(std::string etc) : etc_(std::move(etc)) {}

  void add(const std::string& name, int depth) {
    if (depth > deepest || entries_.size() >= most_entries || !seen_.insert(name).second) return;
    const std::string path = etc_ + "/" + name;
    struct stat info {};
    if (lstat(path.c_str(), &info) < 0) return;
    if (const auto slash = name.rfind('/'); slash != std::string::npos) add_parents(name.substr(0, slash));
    if (S_ISLNK(info.st_mode)) {
      std::string target(PATH_MAX, '\0');
      const ssize_t size = readlink(path.c_str(), target.data(), target.size());
      if (size <= 0) return;
      target.resize(static_cast<std::size_t>(size));
      entries_.push_back({EtcEntry::Kind::link, name, target, 0777, target});
    } else if (S_ISDIR(info.st_mode)) {
      if ((info.st_mode & S_IXOTH) == 0 || (info.st_mode & S_IROTH) == 0) return;
      entries_.push_back({EtcEntry::Kind::directory, name, {}, 0755, "d"});
      for (const std::string& child : names_in(path)) add(name + "/" + child, depth + 1);
    } else if (S_ISREG(info.st_mode)) {
      if ((info.st_mode & S_IROTH) == 0 || info.st_size > largest_file) return;
      entries_.push_back({EtcEntry::Kind::file,
                          name,
                          {},
                          (info.st_mode & S_IXOTH) != 0 ? 0755U : 0644U,
                          fmt::format("{} {} {} {}.{}", info.st_mode, info.st_size, info.st_ino, info.st_mtim.tv_sec,
                                      info.st_mtim.tv_nsec)});
    }
  }

  std::vector<EtcEntry> take() { return std::move(entries_); }

 private:
  /// The directories above an allowed file, without what else is in them.
  void add_parents(const std::string& name) {
    if (const auto slash = name.rfind('/'); slash != std::string::npos) add_parents(name.substr(0, slash));
    if (seen_.insert(name).second) entries_.push_back({EtcEntry::Kind::directory, name, {}, 0755, "d"});
  }

  std::string etc_;
  std::vector<EtcEntry> entries_;
  std::set<std::string> seen_;
};

}  // namespace

std::vector<EtcEntry> etc_skeleton(const std::string& etc) {
  Walk walk(etc);
  const std::vector<std::string> present = names_in(etc);
  for (const char* pattern : allowed) {
    const std::string text = pattern;
    if (text.find('*') == std::string::npos) {
      walk.add(text, 0);
      continue;
    }
    for (const std::string& name : present) {
      if (fnmatch(pattern, name.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0) walk.add(name, 0);
    }
  }
  return walk.take();
}

}  // namespace agentvm::image
