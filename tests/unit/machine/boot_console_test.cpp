// boot_console_test.cpp - how far a boot is, from lines as a real NixOS printed them.
#include "launcher/machine/boot_console.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace agentvm::machine {

namespace {

using Steps = std::vector<std::string>;

}  // namespace

TEST_SUITE("machine/boot_console") {
  TEST_CASE("the stages and what a boot waits for") {
    BootConsole console;
    CHECK(console.add("[    0.000000] Linux version 7.2.13\r\n") == Steps{});
    CHECK(console.step().empty());
    CHECK(console.add("Booting initrd of NixOS 26.11 (Zokor) (Initrd)...\r\n") == Steps{"the guest's first stage"});
    CHECK(console.add("         Starting initrd-nixos-activation.service - NixOS Activation...\r\n") == Steps{});
    CHECK(console.step() == "starting NixOS Activation (first stage)");
    CHECK(console.add("[*     ] Job initrd-nixos-activation.service/start running (34s / no limit)\r\n") ==
          Steps{"waiting for NixOS Activation (first stage)"});
    CHECK(console.add("[**    ] Job initrd-nixos-activation.service/start running (35s / no limit)\r\n") == Steps{});
    CHECK(console.add("[  OK  ] Finished initrd-nixos-activation.service - NixOS Activation.\r\n") == Steps{});
    CHECK(console.add("Welcome to NixOS 26.05 (Yarara)!\r\n") == Steps{"the guest's second stage"});
    CHECK(console.add("[ ***  ] A start job is running for /nix/store (5s / 1min 30s)\r\n") ==
          Steps{"waiting for /nix/store"});
    CHECK(console.failed().empty());
    CHECK_FALSE(console.gave_up());
  }

  TEST_CASE("the words of an older systemd") {
    BootConsole console;
    CHECK(console.add("Welcome to NixOS 25.05 (Warbler) (Initrd)!\n") == Steps{"the guest's first stage"});
    CHECK(console.add("[*     ] Job a.service/start running (9s / no limit)\n") ==
          Steps{"waiting for a.service (first stage)"});
    CHECK(console.add("Welcome to NixOS 25.05 (Warbler)!\n") == Steps{"the guest's second stage"});
  }

  TEST_CASE("NixOS without systemd in its first stage") {
    BootConsole console;
    CHECK(console.add("<<< NixOS Stage 1 >>>\n\nloading module virtiofs...\n") == Steps{"the guest's first stage"});
    console.add("An error occurred in stage 1 of the boot process, which must mount the\n");
    CHECK(console.gave_up());
    CHECK(console.failed() == "An error occurred in stage 1 of the boot process, which must mount the");
  }

  TEST_CASE("the first failure is kept in the guest's words and cleaned") {
    BootConsole console;
    console.add("[\x1b[0;1;31mFAILED\x1b[0m] Failed to mount \x1b]0;x\x07sysroot.mount - /sysroot.\r\n");
    console.add("[FAILED] Failed to start other.service.\r\n");
    CHECK(console.failed() == "Failed to mount sysroot.mount - /sysroot.");
    console.add("Cannot open access to console, the root account is locked.\r\n");
    CHECK(console.gave_up());
  }

  TEST_CASE("only what was never said is news and pieces make no difference") {
    BootConsole console, pieces;
    const std::string text = "one 17\none 18\n\ntwo\none 123456\nthree";
    console.add(text);
    for (const char c : text) pieces.add(std::string(1, c));
    CHECK(console.news() == 2);
    CHECK(pieces.news() == 2);
    for (int line = 0; line < 20'000; ++line) {
      std::string word;
      for (int n = line; n > 0; n /= 26) word += static_cast<char>('a' + n % 26);
      console.add("Job " + word + "\n[*] Job " + word + "/start running (1s / no limit)\n");
    }
    CHECK(console.news() == 4000);
  }

  TEST_CASE("steps are limited in number and in length") {
    BootConsole console;
    std::size_t steps = 0;
    for (int line = 0; line < 1000; ++line) {
      const std::string name = std::string(1000, 'x') + std::to_string(line);
      for (const std::string& step :
           console.add("[*] Job " + std::to_string(line) + name + "/start running (1s / no limit)\n" + "[*] Job u" +
                       std::to_string(line) + "/start running (1s)\n")) {
        ++steps;
        CHECK(step.size() < 200);
      }
    }
    CHECK(steps == 64);
  }
}

}  // namespace agentvm::machine
