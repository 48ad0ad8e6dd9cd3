// guest_files.cpp - the files a host guest is given on top of its image: accounts, sudo, the agent's home.
#include "vmspec/plan/guest_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "vmspec/plan/paths.hpp"

namespace agentvm::vmspec {

namespace {

GuestFile file(std::string path, std::string content, unsigned mode = 0644) {
  return {.path = std::move(path), .content = std::move(content), .mode = mode};
}

GuestFile directory(std::string path, unsigned mode) {
  return {.path = std::move(path), .mode = mode, .directory = true};
}

GuestFile owned_by_agent(GuestFile entry) {
  entry.uid = agent_uid;
  entry.gid = agent_gid;
  return entry;
}

/// No shadow file: nobody logs in with a password, and '*' says so to every reader of passwd.
void add_accounts(std::vector<GuestFile>& out, const std::string& user) {
  out.push_back(file("/etc/passwd", fmt::format("root:*:0:0:root:/root:/bin/bash\n"
                                                "daemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
                                                "bin:*:2:2:bin:/bin:/usr/sbin/nologin\n"
                                                "sys:*:3:3:sys:/dev:/usr/sbin/nologin\n"
                                                "_apt:*:100:65534::/nonexistent:/usr/sbin/nologin\n"
                                                "{0}:*:{1}:{2}:{0}:/home/{0}:/bin/bash\n"
                                                "nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                                                user, agent_uid, agent_gid)));
  out.push_back(file("/etc/group", fmt::format("root:*:0:\n"
                                               "daemon:*:1:\n"
                                               "bin:*:2:\n"
                                               "sys:*:3:\n"
                                               "tty:*:5:\n"
                                               "sudo:*:27:{0}\n"
                                               "shadow:*:42:\n"
                                               "utmp:*:43:\n"
                                               "staff:*:50:\n"
                                               "{0}:*:{1}:\n"
                                               "nogroup:*:65534:\n",
                                               user, agent_gid)));
}

/// The agent owns its machine: sudo and su ask nobody, and nothing else logs in.
void add_privileges(std::vector<GuestFile>& out, const std::string& user, const std::string& path) {
  out.push_back(file("/etc/sudoers",
                     fmt::format("Defaults env_reset, !fqdn, !requiretty, !lecture\n"
                                 "Defaults secure_path=\"{1}\"\n"
                                 "Defaults env_keep += \"LANG LC_ALL TERM COLORTERM NO_PROXY TMPDIR\"\n"
                                 "root ALL=(ALL:ALL) NOPASSWD: ALL\n"
                                 "{0} ALL=(ALL:ALL) NOPASSWD: ALL\n",
                                 user, path),
                     0440));
  const std::string permit =
      "auth required pam_permit.so\n"
      "account required pam_permit.so\n"
      "password required pam_permit.so\n"
      "session required pam_permit.so\n";
  out.push_back(file("/etc/pam.d/other", permit));
  out.push_back(file("/etc/pam.d/sudo", permit));
  out.push_back(file("/etc/pam.d/sudo-i", permit));
  out.push_back(file("/etc/pam.d/su", "auth sufficient pam_rootok.so\n" + permit));
}

void add_system(std::vector<GuestFile>& out, const GuestFilesInput& input) {
  out.push_back(file("/etc/hostname", input.hostname + "\n"));
  out.push_back(file("/etc/hosts", fmt::format("127.0.0.1 localhost\n"
                                               "127.0.1.1 {}\n"
                                               "::1 localhost ip6-localhost ip6-loopback\n",
                                               input.hostname)));
  out.push_back(file("/etc/resolv.conf", "# no name servers: this machine has no network\n"));
  out.push_back(file("/etc/nsswitch.conf",
                     "passwd: files\n"
                     "group: files\n"
                     "shadow: files\n"
                     "hosts: files dns\n"
                     "networks: files\n"
                     "protocols: files\n"
                     "services: files\n"
                     "ethers: files\n"
                     "rpc: files\n"));
  out.push_back(file("/etc/machine-id", input.machine_id + "\n", 0444));
  out.push_back({.path = "/etc/os-release", .target = "../usr/lib/os-release"});
  out.push_back({.path = "/etc/mtab", .target = "../proc/self/mounts"});
  out.push_back(file("/etc/fstab", "# nothing is mounted by name: the host's directories are there already\n"));
  out.push_back(file("/etc/shells", "/bin/sh\n/bin/bash\n/usr/bin/bash\n/usr/bin/sh\n"));
  out.push_back(file("/etc/login.defs",
                     "UID_MIN 1000\n"
                     "UID_MAX 60000\n"
                     "GID_MIN 1000\n"
                     "GID_MAX 60000\n"
                     "UMASK 022\n"
                     "USERGROUPS_ENAB yes\n"));
  out.push_back(file("/etc/profile", fmt::format("# Login shells get what the agent has.\n"
                                                 "export PATH=\"${{{}:-{}}}\"\n"
                                                 "export LANG=\"${{LANG:-C.UTF-8}}\"\n",
                                                 login_path_variable, input.path)));
  // Debian's bash reads it for interactive shells; the name of the machine tells them from the host's.
  out.push_back(file("/etc/bash.bashrc", "[ -z \"$PS1\" ] || PS1='\\u@\\h:\\w\\$ '\n"));
  // Files of the workspace belong to its owner outside; Git would refuse them for any other reader. A file to include
  // need not be there.
  out.push_back(
      file("/etc/gitconfig", fmt::format("[include]\n\tpath = {}\n[safe]\n\tdirectory = *\n", git_identity_file)));
}

/// ~/.cargo above an exposed ~/.cargo/bin must be the agent's: cargo writes beside it.
void add_home(std::vector<GuestFile>& out, const GuestFilesInput& input) {
  const std::string home = "/home/" + input.user;
  out.push_back(directory("/root", 0700));
  out.push_back(owned_by_agent(directory(home, 0755)));
  std::set<std::string> between;
  for (const std::string& mount : input.mount_points) {
    for (std::size_t slash = mount.rfind('/'); slash > home.size(); slash = mount.rfind('/', slash - 1)) {
      const std::string parent = mount.substr(0, slash);
      if (!is_within(parent, home)) break;
      const bool shared = std::any_of(input.mount_points.begin(), input.mount_points.end(),
                                      [&](const std::string& other) { return is_within(parent, other); });
      if (!shared) between.insert(parent);
    }
  }
  for (const std::string& path : between) out.push_back(owned_by_agent(directory(path, 0755)));
  out.push_back(owned_by_agent(file(home + "/.profile", "umask 022\n")));
}

/// A line of a git-config(1) file, quoted: '#', ';' and white space mean nothing then.
std::string git_line(std::string_view key, std::string_view value) {
  std::string quoted;
  for (const char c : value) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) continue;
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted.empty() ? "" : fmt::format("\t{} = \"{}\"\n", key, quoted);
}

}  // namespace

std::vector<GuestFile> guest_files(const GuestFilesInput& input) {
  std::vector<GuestFile> out;
  add_accounts(out, input.user);
  add_privileges(out, input.user, input.path);
  add_system(out, input);
  add_home(out, input);
  return out;
}

std::string git_identity_config(std::string_view name, std::string_view email) {
  const std::string lines = git_line("name", name) + git_line("email", email);
  return lines.empty() ? "" : "[user]\n" + lines;
}

}  // namespace agentvm::vmspec
