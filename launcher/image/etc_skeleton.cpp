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
#include <string_view>

#include "base/directory.hpp"

namespace agentvm::image {

namespace {

/// Names in /etc; a directory brings all below it. Each part of a path may be a pattern (fnmatch(3)).
constexpr std::string_view in_etc[] = {
    "ImageMagick-*",
    "OpenCL",
    "R",
    "alternatives",
    "ant",
    "bash_completion",
    "bash_completion.d",
    "ca-certificates.conf",
    "crypto-policies/back-ends",
    "debian_version",
    "dictionaries-common",
    "emacs",
    "fonts",
    "gai.conf",
    "ghostscript",
    "groff",
    "inputrc",
    "java-*-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "libaudit.conf",
    "locale.alias",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "manpath.config",
    "maven/logging",
    "maven/m2.conf",
    "maven/toolchains.xml",
    "mime.types",
    "mono",
    "nanorc",
    "netconfig",
    "networks",
    "papersize",
    "perl",
    "php/*/cli",
    "php/*/mods-available",
    "pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "pki/tls/cert.pem",
    "pki/tls/certs/ca-bundle.crt",
    "pki/tls/openssl.cnf",
    "protocols",
    "python2.*",
    "python3",
    "python3.*",
    "rpc",
    "security/limits.conf",
    "services",
    "sgml",
    "ssl/certs/ca-certificates.crt",
    "ssl/certs/java/cacerts",
    "ssl/openssl.cnf",
    "terminfo",
    "texmf",
    "timezone",
    "ucf.conf",
    "vim",
    "xml",
};

constexpr std::string_view in_var[] = {
    "lib/dpkg/alternatives", "lib/dpkg/arch",         "lib/dpkg/diversions", "lib/dpkg/info/format",
    "lib/dpkg/status",       "lib/dpkg/statoverride", "lib/dpkg/updates",    "lib/ghc/package.conf.d",
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
  explicit Walk(std::string tree) : tree_(std::move(tree)) {}

  /// Every name that matches, part by part; `above` matches what is before the pattern.
  void add_matching(const std::string& above, std::string_view pattern) {
    const std::size_t slash = pattern.find('/');
    const std::string part(pattern.substr(0, slash));
    const bool literal = part.find('*') == std::string::npos;
    for (const std::string& name : literal ? std::vector{part} : names_in(tree_ + "/" + above)) {
      if (!literal && fnmatch(part.c_str(), name.c_str(), FNM_PATHNAME | FNM_PERIOD) != 0) continue;
      const std::string path = above.empty() ? name : above + "/" + name;
      if (slash == std::string_view::npos) {
        add(path, 0);
      } else {
        add_matching(path, pattern.substr(slash + 1));
      }
    }
  }

  void add(const std::string& name, int depth) {
    if (depth > deepest || entries_.size() >= most_entries || !seen_.insert(name).second) return;
    const std::string path = tree_ + "/" + name;
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

  std::string tree_;
  std::vector<EtcEntry> entries_;
  std::set<std::string> seen_;
};

}  // namespace

std::vector<EtcEntry> etc_skeleton(const std::string& etc) {
  Walk walk(etc);
  for (const std::string_view pattern : in_etc) walk.add_matching("", pattern);
  return walk.take();
}

std::vector<EtcEntry> var_skeleton(const std::string& var) {
  Walk walk(var);
  for (const std::string_view pattern : in_var) walk.add_matching("", pattern);
  return walk.take();
}

}  // namespace agentvm::image
