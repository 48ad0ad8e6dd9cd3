// init.cpp - PID 1 of the machine that nested.py boots: the host's root, read-only under a tmpfs, then inside.py.
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "guest/boot.hpp"
#include "guest/modules.hpp"

namespace {

using namespace agentvm;

constexpr char new_root[] = "/newroot";

void attach(const char* source, const std::string& target, const char* type, unsigned long flags, const char* options) {
  make_directories(target, 0755);
  if (mount(source, target.c_str(), type, flags, options) < 0) throw system_error(errno, "mounting " + target);
}

/// Unlike guest::switch_root it empties nothing: the tree below the new root is the host's.
void enter_new_root() {
  for (const char* path : {"/proc", "/sys", "/dev"}) {
    if (mount(path, (std::string(new_root) + path).c_str(), nullptr, MS_MOVE, nullptr) < 0) {
      throw system_error(errno, std::string("moving ") + path);
    }
  }
  if (chdir(new_root) < 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) < 0 || chroot(".") < 0 || chdir("/") < 0) {
    throw system_error(errno, "changing to the new root");
  }
}

/// The value of nested.KEY on the kernel's command line.
std::string option(const std::string& key) {
  const std::string line = " " + read_file("/proc/cmdline");
  const std::string name = " nested." + key + "=";
  const std::size_t found = line.find(name);
  if (found == std::string::npos) throw Error("nested." + key + " is not on the kernel's command line");
  const std::string value = line.substr(found + name.size());
  return value.substr(0, value.find_first_of(" \n"));
}

void live() {
  guest::mount_kernel_filesystems();
  guest::open_stdio();
  for (const std::string& failure : guest::load_modules(guest::open_modules("/modules.list"))) guest::say(failure);
  const std::string program = option("inside");
  attach("root", "/lower", "virtiofs", MS_RDONLY, "");
  attach("upper", "/rw", "tmpfs", 0, "mode=755,size=50%,nr_inodes=0");
  make_directories("/rw/upper", 0755);
  make_directories("/rw/work", 0755);
  attach("root", new_root, "overlay", 0, "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work");
  enter_new_root();
  guest::configure_kernel();
  std::array<const char*, 3> arguments{"/usr/bin/python3", program.c_str(), nullptr};
  std::array<const char*, 3> environment{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                         "PYTHONDONTWRITEBYTECODE=1", nullptr};
  execve(arguments[0], const_cast<char* const*>(arguments.data()), const_cast<char* const*>(environment.data()));
  throw system_error(errno, "starting /usr/bin/python3");
}

}  // namespace

int main() {
  if (getpid() != 1) return 1;
  try {
    live();
  } catch (const std::exception& error) {
    agentvm::guest::say(error.what());
  }
  reboot(RB_POWER_OFF);
}
