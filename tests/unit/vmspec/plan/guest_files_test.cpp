// guest_files_test.cpp - accounts, sudo and home of a host guest.
#include "vmspec/plan/guest_files.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/has.hpp"
#include "tests/unit/vmspec/support.hpp"

namespace agentvm::vmspec {

using testing::debian_host;
using testing::has_line;

namespace {

const GuestFile* find(const std::vector<GuestFile>& files, const std::string& path) {
  const auto found = std::find_if(files.begin(), files.end(), [&](const GuestFile& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

GuestFilesInput some_input() {
  return {
      .user = "dev",
      .hostname = "box",
      .machine_id = "0123456789abcdef0123456789abcdef",
      .path = "/usr/bin:/bin",
      .mount_points = {"/usr", "/workspace", "/home/dev/.cargo/bin", "/home/dev/.rustup/toolchains", "/home/other/x"}};
}

/// Of a run that nothing stands against.
VmSpec planned(const HostFacts& facts) {
  std::vector<Problem> problems;
  VmSpec spec = make_vm_spec(testing::builtin("default"), facts, testing::some_run(), problems);
  CHECK(testing::format_all(problems).empty());
  return spec;
}

}  // namespace

TEST_CASE("accounts: the agent is uid 1000 and there is no password anywhere") {
  const auto files = guest_files(some_input());
  const GuestFile* passwd = find(files, "/etc/passwd");
  REQUIRE(passwd != nullptr);
  CHECK(passwd->content.find("dev:*:1000:1000:dev:/home/dev:/bin/bash\n") != std::string::npos);
  CHECK(passwd->content.find("root:*:0:0:") == 0);
  CHECK(find(files, "/etc/shadow") == nullptr);
  CHECK(find(files, "/etc/group")->content.find("sudo:*:27:dev\n") != std::string::npos);
}

TEST_CASE("sudo asks nobody") {
  const auto files = guest_files(some_input());
  const GuestFile* sudoers = find(files, "/etc/sudoers");
  REQUIRE(sudoers != nullptr);
  CHECK(sudoers->mode == 0440);
  CHECK(sudoers->uid == 0);
  CHECK(sudoers->content.find("dev ALL=(ALL:ALL) NOPASSWD: ALL\n") != std::string::npos);
  CHECK(sudoers->content.find("!fqdn") != std::string::npos);
  for (const char* service : {"sudo", "sudo-i", "su", "other"})
    CHECK(find(files, std::string("/etc/pam.d/") + service) != nullptr);
}

TEST_CASE("directories between the home and a share belong to the agent and the shares do not") {
  const auto files = guest_files(some_input());
  for (const char* path : {"/home/dev", "/home/dev/.cargo", "/home/dev/.rustup"}) {
    CAPTURE(path);
    const GuestFile* entry = find(files, path);
    REQUIRE(entry != nullptr);
    CHECK(entry->directory);
    CHECK(entry->uid == 1000);
    CHECK(entry->gid == 1000);
  }
  CHECK(find(files, "/home/dev/.cargo/bin") == nullptr);
  CHECK(find(files, "/home/other") == nullptr);
}

TEST_CASE("a share inside a share needs no directory of ours") {
  auto input = some_input();
  input.mount_points = {"/home/dev/a", "/home/dev/a/b/c"};
  const auto files = guest_files(input);
  CHECK(find(files, "/home/dev/a") == nullptr);
  CHECK(find(files, "/home/dev/a/b") == nullptr);
}

TEST_CASE("who the agent is to Git is quoted and included from the system's configuration") {
  CHECK(git_identity_config("", "").empty());
  CHECK(git_identity_config("Ann", "") == "[user]\n\tname = \"Ann\"\n");
  CHECK(git_identity_config("J\xc3\xbcrgen \"J\\J\"; #1 ", "a@b\n[alias]\n\x1b\x7f") ==
        "[user]\n\tname = \"J\xc3\xbcrgen \\\"J\\\\J\\\"; #1 \"\n\temail = \"a@b[alias]\"\n");
  const auto files = guest_files(some_input());
  const GuestFile* config = find(files, "/etc/gitconfig");
  REQUIRE(config != nullptr);
  CHECK(config->content == "[include]\n\tpath = /run/agentvm/gitconfig\n[safe]\n\tdirectory = *\n");
}

TEST_CASE("the guest's Git knows its caller by name unless that is no text") {
  const auto file = [](const VmSpec& spec) {
    const auto found = std::find_if(spec.files.begin(), spec.files.end(),
                                    [](const GuestFile& one) { return one.path == "/run/agentvm/gitconfig"; });
    return found == spec.files.end() ? std::string() : found->content;
  };
  auto facts = debian_host();
  CHECK(file(planned(facts)).empty());
  facts.git = {"Ann", "ann@x", {"/h/.gitconfig is not read, because", "/h/\xff is not"}};
  auto spec = planned(facts);
  CHECK(file(spec) == "[user]\n\tname = \"Ann\"\n\temail = \"ann@x\"\n");
  CHECK(has_line(spec.notes, "/h/.gitconfig is not read, because: who you are to Git is not taken from there."));
  CHECK(has_line(spec.notes, "/h/\\xff is not: who"));
  facts.git = {"An\xff", std::string(257, 'x'), {}};
  spec = planned(facts);
  CHECK(file(spec).empty());
  CHECK(has_line(spec.notes, "user.name of your Git configuration is left out: it is not UTF-8 text."));
  CHECK(has_line(spec.notes, "user.email of your Git configuration is left out: it is longer than 256 bytes."));
}

TEST_CASE("a kernel whose modules the guest does not see is said") {
  auto facts = debian_host();
  CHECK_FALSE(has_line(planned(facts).notes, "modprobe"));
  facts.kernels.front().modules = "/var/cache/agentvm/kernel/6.1/lib/modules/6.1";
  const auto spec = planned(facts);
  CHECK(has_line(spec.notes, "modprobe finds no modules in the guest"));
  CHECK_FALSE(has_line(spec.advice, "modprobe"));
}

}  // namespace agentvm::vmspec
