// support.hpp - what the tests of vmspec share: short ways in, a made-up host, golden files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vmspec/plan/plan.hpp"
#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec::testing {

/// A profile text taken as one layer named "p.toml", with the cross-key rules; mistakes as formatted lines.
struct Parsed {
  Profile profile;
  std::vector<Problem> problems;
  std::vector<std::string> lines;
};
Parsed parse(const std::string& text);

/// The only mistake of a text, formatted; fails the test when there is none or more than one.
std::string only_problem(const std::string& text);

std::vector<std::string> format_all(const std::vector<Problem>& problems);

/// Whether one of the lines holds the words.
bool has_line(const std::vector<std::string>& lines, std::string_view words);

/// Built-in profiles and the given texts ("name" -> text), looked up by name, and all trusted.
ProfileSources sources_of(std::map<std::string, std::string> texts);

/// A Debian host with everything on it: 4 CPUs, no KVM, user 1001 "/home/me", Codex 0.169.0 outside /usr.
HostFacts debian_host();

/// A run named "calm-otter" of /home/me/app.
RunRequest some_run();

/// A built-in profile, which must be without mistakes.
Profile builtin(std::string_view name);

/// A file below tests/unit/vmspec/data, "" when it is missing.
std::string data_file(const std::string& name);

/// Compares with data/NAME. With AGENTVM_TEST_ACCEPT=1 the file is rewritten instead, and the test fails all the same:
/// a run that accepts proves nothing.
void check_golden(const std::string& name, const std::string& actual);

}  // namespace agentvm::vmspec::testing
