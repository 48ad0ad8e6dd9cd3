// fuse_attack.cpp - path tricks, devices and set-user-id files, in the words of linux/fuse.h.
#include "tests/vm/hostile/fuse_attack.hpp"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/stat.h>

#include <cstring>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "guest/boot.hpp"
#include "tests/vm/hostile/virtio_device.hpp"

namespace agentvm::hostile {

namespace {

template <typename T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string name(const std::string& text) {
  return text + '\0';
}

class Client {
 public:
  explicit Client(const std::string& tag) : device_(tag) {
    fuse_init_in hello{};
    hello.major = FUSE_KERNEL_VERSION;
    hello.minor = FUSE_KERNEL_MINOR_VERSION;
    hello.max_readahead = 4096;
    if (!ask("INIT", FUSE_INIT, 0, bytes_of(hello))) throw Error("virtiofsd does not take part");
  }

  /// Says what came of it; the answer's body, or nothing when it was refused.
  std::optional<std::string> ask(const std::string& what, std::uint32_t operation, std::uint64_t node,
                                 const std::string& body) {
    fuse_in_header head{};
    head.len = static_cast<std::uint32_t>(sizeof head + body.size());
    head.opcode = operation;
    head.unique = ++unique_;
    head.nodeid = node;
    const std::string answer = device_.ask(bytes_of(head) + body);
    fuse_out_header result{};
    if (answer.size() < sizeof result) throw Error("virtiofsd answered with less than a header");
    std::memcpy(&result, answer.data(), sizeof result);
    guest::say("hostile: " + what + ": " + (result.error == 0 ? "yes" : std::strerror(-result.error)));
    if (result.error != 0) return std::nullopt;
    return answer.substr(sizeof result);
  }

  std::optional<std::uint64_t> look_up(std::uint64_t directory, const std::string& path) {
    const auto answer = ask("LOOKUP " + path, FUSE_LOOKUP, directory, name(path));
    fuse_entry_out entry{};
    if (!answer || answer->size() < sizeof entry) return std::nullopt;
    std::memcpy(&entry, answer->data(), sizeof entry);
    return entry.nodeid;
  }

  /// Opens a node and prints the beginning of what is in it.
  void read(const std::string& what, std::uint64_t node) {
    fuse_open_in how{};
    how.flags = O_RDONLY;
    const auto opened = ask("OPEN " + what, FUSE_OPEN, node, bytes_of(how));
    if (!opened) return;
    fuse_open_out handle{};
    std::memcpy(&handle, opened->data(), sizeof handle);
    fuse_read_in range{};
    range.fh = handle.fh;
    range.size = 512;
    if (const auto content = ask("READ " + what, FUSE_READ, node, bytes_of(range))) {
      guest::say("hostile: content of " + what + ": " + content->substr(0, content->find('\n')));
    }
  }

 private:
  VirtioFsDevice device_;
  std::uint64_t unique_ = 0;
};

void make_things(Client& client, const std::string& path) {
  fuse_mkdir_in directory{};
  directory.mode = 0755;
  client.ask("MKDIR " + path + "-dir", FUSE_MKDIR, FUSE_ROOT_ID, bytes_of(directory) + name(path + "-dir"));
  client.ask("SYMLINK " + path + "-link", FUSE_SYMLINK, FUSE_ROOT_ID, name(path + "-link") + name("/etc/shadow"));
  fuse_mknod_in device{};
  device.mode = S_IFBLK | 0666;
  device.rdev = (1U << 8) | 1U;
  client.ask("MKNOD block " + path + "-device", FUSE_MKNOD, FUSE_ROOT_ID, bytes_of(device) + name(path + "-device"));
  fuse_create_in file{};
  file.flags = O_RDWR | O_CREAT;
  file.mode = S_IFREG | 04755;
  client.ask("CREATE " + path + "-suid", FUSE_CREATE, FUSE_ROOT_ID, bytes_of(file) + name(path + "-suid"));
}

}  // namespace

void attack_share() {
  Client client("workspace");
  // Names that are paths, which a kernel never sends.
  for (const std::string& path : {std::string(".."), std::string("../secret"),
                                  std::string("../../../../../../etc/passwd"), std::string("/etc/passwd"),
                                  std::string("/proc/self/root/etc/passwd"), std::string("/proc/1/root/etc/passwd")}) {
    if (const auto node = client.look_up(FUSE_ROOT_ID, path)) {
      client.read(path, *node);
      client.look_up(*node, "secret");
      client.look_up(*node, "../secret");
    }
  }
  make_things(client, "../escaped");
  make_things(client, "inside");
  client.ask("UNLINK ../victim", FUSE_UNLINK, FUSE_ROOT_ID, name("../victim"));
  fuse_rename_in rename{};
  rename.newdir = FUSE_ROOT_ID;
  client.ask("RENAME ../secret stolen", FUSE_RENAME, FUSE_ROOT_ID,
             bytes_of(rename) + name("../secret") + name("stolen"));
  if (const auto node = client.look_up(FUSE_ROOT_ID, "stolen")) client.read("stolen", *node);
  client.ask("RENAME mine ../victim", FUSE_RENAME, FUSE_ROOT_ID, bytes_of(rename) + name("mine") + name("../victim"));
  // A link of the share's own that leads outside: a server that followed it would open the host's file.
  client.ask("SYMLINK way-out", FUSE_SYMLINK, FUSE_ROOT_ID, name("way-out") + name("../secret"));
  if (const auto link = client.look_up(FUSE_ROOT_ID, "way-out")) client.read("way-out", *link);
  client.look_up(FUSE_ROOT_ID, "way-out/..");
  // Nodes and handles nobody gave out.
  client.ask("GETATTR of node 999999", FUSE_GETATTR, 999999, bytes_of(fuse_getattr_in{}));
  fuse_read_in range{};
  range.fh = 0xffffffffffULL;
  range.size = 4096;
  client.ask("READ of a made-up handle", FUSE_READ, FUSE_ROOT_ID, bytes_of(range));
}

}  // namespace agentvm::hostile
