// terminal_modes.hpp - what a program in a guest has switched on in the caller's terminal, to be switched off after it.
//
// An agent that is killed, or that the caller leaves running, cannot put the terminal back itself: alternate screen,
// hidden cursor, mouse and focus reports, bracketed paste, keyboard protocols stay. So its output is watched, and what
// is on at the end is undone. Nothing is undone that was never on: leaving an alternate screen that is not shown moves
// the cursor of some terminals.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace agentvm::commands {

/// Reads output as it passes; keeps a bounded state whatever comes.
class TerminalModes {
 public:
  void watch(std::string_view output);
  /// What undoes the modes that are on now; "" when the terminal is as it was.
  std::string undo() const;

 private:
  enum class State { text, escape, sequence, string, string_escape };
  void take(char c);
  void end_sequence(char final_byte);
  void set_private(unsigned mode, bool on);
  void reset();

  State state_ = State::text;
  std::string parameters_;  ///< of the sequence that is being read
  std::set<unsigned> on_;   ///< DEC private modes that are not on by themselves
  std::set<unsigned> off_;  ///< and those that are on by themselves, and off now: 7 (wrap), 25 (cursor)
  unsigned keyboards_ = 0;  ///< kitty's keyboard protocol: pushed and not popped
  bool keyboard_set_ = false;
  bool other_keys_ = false;     ///< xterm's modifyOtherKeys
  bool cursor_shape_ = false;   ///< DECSCUSR
  bool scroll_region_ = false;  ///< DECSTBM
  bool keypad_ = false;         ///< DECKPAM
  bool character_set_ = false;  ///< line drawing in G0, or shifted out
  bool attributes_ = false;     ///< SGR
  bool insert_ = false;         ///< IRM
};

/// The modes of the terminal on stdout. Whoever writes a program's output there shows it here first; a fatal signal
/// undoes what is on (RawMode). For one thread.
void watch_terminal_modes(std::string_view output);
/// Undoes what is on, when stdout takes it: nobody waits for a terminal that is stopped.
void undo_terminal_modes() noexcept;
/// The same within a signal handler.
void undo_terminal_modes_in_handler() noexcept;

}  // namespace agentvm::commands
