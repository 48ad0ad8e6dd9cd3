// terminal.hpp - the caller's terminal: its size, and raw mode that is undone however we end.
#pragma once

#include <string>

namespace agentvm::commands {

struct WindowSize {
  unsigned rows = 24;
  unsigned columns = 80;
  bool operator==(const WindowSize&) const = default;
};

/// Of the first of stdin, stdout and stderr that is a terminal; 24x80 when none is or it says 0.
WindowSize window_size() noexcept;
/// Whether both stdin and stdout are terminals: only then can an agent have one.
bool has_terminal() noexcept;

/// Puts stdin's terminal in raw mode until destroyed. A fatal signal or std::exit restores it too; SIGKILL cannot. At
/// most one at a time.
class RawMode {
 public:
  /// Throws Error when stdin is no terminal.
  RawMode();
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode();

  /// For job control: the terminal as it was before, and raw again. `suspend` stops the process in between.
  static void suspend() noexcept;
  static void enter_again() noexcept;
};

/// Finds ctrl-p ctrl-q in what is typed (the keys of `docker attach`).
class DetachKeys {
 public:
  /// Takes typed bytes and gives those to pass on; a ctrl-p is held back until the next byte. `detached` is set when
  /// the two keys came; what was typed after them is dropped.
  std::string filter(const std::string& typed, bool& detached);

 private:
  bool held_ = false;
};

}  // namespace agentvm::commands
