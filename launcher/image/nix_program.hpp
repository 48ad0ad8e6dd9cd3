// nix_program.hpp - runs `nix`, with what it says in a log, and turns its complaints into one sentence.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

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

/// The line of Nix's words that says most: its last "error:" with a text behind it, else the last line. One line, at
/// most 400 bytes.
std::string nix_complaint(std::string_view words);

/// Whether the words say that something could not be fetched.
bool says_offline(std::string_view words);

}  // namespace agentvm::image
