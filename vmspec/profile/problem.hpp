// problem.hpp - one mistake with its place and its rule, so that all of them can be shown at once.
//
// A mistake in a profile is never thrown where it is found: it is added to a list, the work goes on, and whoever asked
// for the work decides. `problems_error` turns a list into the one Error that main prints.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace agentvm::vmspec {

/// Where a value was written. `file` is a path, the name of a built-in profile, or a flag ("--memory"); line and column
/// count from 1, and 0 means that there is none.
struct Origin {
  std::string file = {};
  unsigned line = 0;
  unsigned column = 0;
  bool operator==(const Origin&) const = default;
};

/// What is wrong, where, and by which rule.
struct Problem {
  std::string file = {};  ///< "" when the mistake is in no file
  unsigned line = 0;      ///< from 1; 0: none
  unsigned column = 0;    ///< from 1; 0: none
  std::string key = {};   ///< dotted, "machine.vcpus"; "" when it is about no key
  std::string message;    ///< the rule, and the value that broke it
  std::string hint = {};  ///< the next step: "did you mean 'vcpus'?"
  ExitCode code = ExitCode::usage;
  bool operator==(const Problem&) const = default;
};

/// A Problem at an origin.
Problem problem_at(const Origin& origin, std::string key, std::string message, std::string hint = {},
                   ExitCode code = ExitCode::usage);

/// One line: "file:line:column: key: message; hint". Control characters of hostile input are shown as \xNN.
std::string format(const Problem& problem);

/// All problems as one Error, a line each; the hint of a single one that is at no place is the Error's. Its exit code
/// is `usage` when any problem is one, else the first one's.
Error problems_error(std::span<const Problem> problems);

/// The known word nearest to `word`, when it is near enough to be a slip of the fingers.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string_view> known);

/// A value as it is quoted in a message: cut at 60 bytes, control characters as \xNN, in single quotes.
std::string quote_value(std::string_view value);

}  // namespace agentvm::vmspec
