// main.cpp - a guest that means harm: PID 1 in the place of agentvm-guest, started by hostile_test.py.
//
// What it does is written into the program itself (mode below), for nothing of a test's can reach a guest's kernel
// command line: the test copies this file and overwrites the word after "hostile-mode:".
#include <signal.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <string>
#include <string_view>

#include "guest/boot.hpp"
#include "guest/modules.hpp"
#include "guest/transport.hpp"
#include "guest/uevents.hpp"
#include "tests/vm/hostile/fuse_attack.hpp"
#include "tests/vm/hostile/link_attack.hpp"

namespace {

using namespace agentvm;

// volatile: the compiler must not know the word at compile time.
const volatile char mode_text[64] = "hostile-mode:none";

std::string mode() {
  std::string text;
  for (const volatile char* c = mode_text; *c != '\0'; ++c) text += *c;
  return text.substr(text.find(':') + 1);
}

void attack(const std::string& name) {
  guest::mount_kernel_filesystems();
  guest::open_stdio();
  const guest::UeventSocket events;
  guest::load_modules(guest::open_modules("/modules.list"));
  guest::say("hostile: " + name);
  if (name == "exit") return;
  if (name == "fuse") return hostile::attack_share();
  const guest::Links links = guest::open_links(guest::Transport::virtio_serial, events, std::chrono::seconds(30));
  hostile::attack_links(name, links.control.get(), links.services.get());
}

}  // namespace

int main() {
  signal(SIGPIPE, SIG_IGN);
  const std::string name = mode();
  if (getpid() != 1) return 1;
  try {
    attack(name);
  } catch (const std::exception& error) {
    guest::say(error.what());
  }
  guest::say("hostile: done");
  if (name == "exit") return 1;  // PID 1 must not end: the kernel panics
  sync();
  reboot(RB_POWER_OFF);
}
