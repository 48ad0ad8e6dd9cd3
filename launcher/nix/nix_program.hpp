// nix_program.hpp - runs `nix`, with what it says in a log, and turns its complaints into one sentence.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/process.hpp"

namespace agentvm::image {

/// Most of a build's words that are kept in its log, bytes.
inline constexpr std::size_t max_build_log = std::size_t{16} << 20;

/// `nix` on PATH for one build. Everything it says on stderr is appended to the log.
class NixProgram {
 public:
  /// Begins the log anew. Throws Error when there is no `nix`, or the log cannot be written.
  NixProgram(std::string log, std::function<void(std::string_view line)> progress);

  /// Runs `nix ARGUMENTS` to its end. Throws Error when it fails: "WHAT: Nix's first complaint", with where the log is.
  /// SIGINT, SIGTERM and SIGHUP end nix first, and then us.
  void run(const std::string& what, const std::vector<std::string>& arguments);

 private:
  std::string program_;
  std::string log_;
  std::function<void(std::string_view line)> progress_;
};

/// Runs a process that speaks on stderr as nix does, to its end, and appends what it says to `log`, which must be
/// there. `process` may be anything but where stderr goes. Throws Error when it fails, as NixProgram::run.
/// `started` is called once it runs.
void run_as_nix(const std::string& what, SpawnOptions process, const std::string& log,
                const std::function<void(std::string_view line)>& progress, const std::function<void()>& started = {});

/// What of Nix's words says most: its last "error:" with a text behind it that is not about another's failure, with the
/// last line of the builder it names; else the last line. One line, at most 400 bytes.
std::string nix_complaint(std::string_view words);

/// Whether the words say that something could not be fetched.
bool says_offline(std::string_view words);

}  // namespace agentvm::image
