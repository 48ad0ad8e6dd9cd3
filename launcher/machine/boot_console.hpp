// boot_console.hpp - what the console of a booting guest says of how far it is. Pure.
//
// The lines are systemd's, of a NixOS guest (as printed by systemd 252 to 262 with systemd.show_status=true), and of
// NixOS' own first stage; a host guest prints nothing. All of it is the guest's word: shown cleaned and cut, believed
// for a time that has an end.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"

namespace agentvm::machine {

class BootConsole {
 public:
  /// Takes what was printed, in any pieces. Returns the steps that began: "the guest's first stage", "waiting for NixOS
  /// Activation (first stage)"; each once, 64 at most in all.
  std::vector<std::string> add(std::string_view bytes);

  /// How many lines said something that none had said before, numbers aside; 4000 at most. It stands still when the
  /// guest does, or only repeats itself.
  std::size_t news() const noexcept { return seen_.size(); }
  /// The step it is in: "starting NixOS Activation (first stage)"; "" before the first.
  const std::string& step() const noexcept { return step_; }
  /// What failed first, in the guest's words; "" while nothing has.
  const std::string& failed() const noexcept { return failed_; }
  /// Whether it waits for a person now, who is not there.
  bool gave_up() const noexcept { return gave_up_; }

 private:
  void take_line(std::string_view line, std::vector<std::string>& steps);
  void begin(std::string step, std::vector<std::string>& steps);
  std::string describe(const std::string& unit);
  std::string in_stage(const std::string& words) const;

  PlainText plain_;
  std::string line_;
  std::set<std::size_t> seen_;  // hashes
  std::set<std::string> begun_;
  std::map<std::string, std::string> descriptions_;  // of units
  std::string step_, failed_;
  int stage_ = 0;
  bool gave_up_ = false;
};

}  // namespace agentvm::machine
