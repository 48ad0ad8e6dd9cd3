// boot_console.cpp - the lines that systemd and NixOS' first stage print.
#include "launcher/machine/boot_console.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

namespace agentvm::machine {

namespace {

constexpr std::size_t longest_line = 400;
constexpr std::size_t most_news = 4000;
constexpr std::size_t most_steps = 64;
constexpr std::size_t most_descriptions = 256;
constexpr std::size_t longest_words = 120;

/// The line with each number as one 0, without spaces and the stars that systemd lets run to and fro: a time that goes
/// on is no news.
std::size_t digest_of(std::string_view line) {
  std::string text;
  for (const char c : line) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && c != '*' && c != ' ') text += c;
    if (digit && (text.empty() || text.back() != '0')) text += '0';
  }
  return std::hash<std::string>{}(text);
}

/// What stands behind the word, up to `end`; nothing where the line does not have both.
std::optional<std::string> between(std::string_view line, std::string_view word, std::string_view end) {
  const std::size_t at = line.find(word);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + word.size());
  const std::size_t until = end.empty() ? line.size() : line.find(end);
  if (until == std::string_view::npos) return {};
  return plain_line(line.substr(0, until), longest_words);
}

/// The unit that a line waits for: "Job UNIT/start running (34s / no limit)", before systemd 258 "A start job is
/// running for DESCRIPTION (34s / no limit)".
std::optional<std::string> waited_for(std::string_view line) {
  if (const auto unit = between(line, "] Job ", "/start running (")) return unit;
  return between(line, "A start job is running for ", " (");
}

bool says_any(std::string_view line, const auto& words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return line.find(word) != std::string_view::npos; });
}

// systemd 258 says "Booting initrd of NixOS", those before "Welcome to NixOS 25.05 (Warbler) (Initrd)!".
constexpr std::array<std::string_view, 3> first_stage_begins{"Booting initrd of ", "(Initrd)!",
                                                             "<<< NixOS Stage 1 >>>"};
constexpr std::array<std::string_view, 2> second_stage_begins{"Welcome to ", "<<< NixOS Stage 2 >>>"};
constexpr std::array<std::string_view, 3> waits_for_a_person{
    "You are in emergency mode", "Cannot open access to console, the root account is locked",
    "An error occurred in stage 1 of the boot process"};

}  // namespace

std::vector<std::string> BootConsole::add(std::string_view bytes) {
  std::vector<std::string> steps;
  for (const char c : plain_.add(bytes)) {
    if (c != '\n') {
      if (line_.size() < longest_line) line_ += c;
      continue;
    }
    take_line(std::exchange(line_, {}), steps);
  }
  return steps;
}

void BootConsole::take_line(std::string_view line, std::vector<std::string>& steps) {
  if (line.empty()) return;
  if (seen_.size() < most_news) seen_.insert(digest_of(line));
  if (says_any(line, waits_for_a_person)) {
    gave_up_ = true;
    if (failed_.empty()) failed_ = plain_line(line, longest_words);
  } else if (says_any(line, first_stage_begins)) {
    stage_ = 1;
    begin("the guest's first stage", steps);
  } else if (says_any(line, second_stage_begins)) {
    stage_ = 2;
    begin("the guest's second stage", steps);
  } else if (const auto failed = between(line, "[FAILED] ", "")) {
    // "Failed to mount sysroot.mount - /sysroot."
    if (failed_.empty()) failed_ = *failed;
  } else if (const auto unit = waited_for(line)) {
    const auto known = descriptions_.find(*unit);
    begin(in_stage("waiting for " + (known == descriptions_.end() ? *unit : known->second)), steps);
  } else if (const auto started = between(line, "Starting ", "...")) {
    step_ = in_stage("starting " + describe(*started));
  }
}

/// "NixOS Activation" of "initrd-nixos-activation.service - NixOS Activation"; a line that waits names the unit alone.
std::string BootConsole::describe(const std::string& unit) {
  const std::size_t dash = unit.find(" - ");
  if (dash == std::string::npos) return unit;
  std::string description = unit.substr(dash + 3);
  if (descriptions_.size() < most_descriptions) descriptions_.emplace(unit.substr(0, dash), description);
  return description;
}

void BootConsole::begin(std::string step, std::vector<std::string>& steps) {
  step_ = std::move(step);
  if (begun_.size() < most_steps && begun_.insert(step_).second) steps.push_back(step_);
}

std::string BootConsole::in_stage(const std::string& words) const {
  return words + (stage_ == 1 ? " (first stage)" : "");
}

}  // namespace agentvm::machine
