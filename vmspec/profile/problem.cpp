// problem.cpp - wording of mistakes: place, key, rule, value, next step.
#include "vmspec/profile/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "base/text.hpp"

namespace agentvm::vmspec {

namespace {

/// Words longer than this are not compared: the distance costs the product of both lengths.
constexpr std::size_t max_compared = 64;
constexpr std::size_t max_quoted = 60;
/// Most problems in one Error: a hostile file is not answered with a longer one.
constexpr std::size_t max_shown = 100;

/// Optimal string alignment distance: insert, delete, replace and swapping two neighbours cost one each.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = above;
    above = row;
  }
  return above[b.size()];
}

}  // namespace

Problem problem_at(const Origin& origin, std::string key, std::string message, std::string hint, ExitCode code) {
  return {.file = origin.file,
          .line = origin.line,
          .column = origin.column,
          .key = std::move(key),
          .message = std::move(message),
          .hint = std::move(hint),
          .code = code};
}

std::string format(const Problem& problem) {
  std::string out;
  if (!problem.file.empty()) {
    out += problem.file;
    if (problem.line > 0) out += fmt::format(":{}", problem.line);
    if (problem.line > 0 && problem.column > 0) out += fmt::format(":{}", problem.column);
    out += ": ";
  }
  if (!problem.key.empty()) out += problem.key + ": ";
  out += problem.message;
  if (!problem.hint.empty()) out += "; " + problem.hint;
  return printable(out);
}

Error problems_error(std::span<const Problem> problems) {
  if (problems.size() == 1 && problems.front().file.empty() && problems.front().key.empty()) {
    // About no place of a profile: a sentence, and what to do on a line of its own.
    const Problem& only = problems.front();
    return Error(printable(only.message), printable(only.hint), only.code);
  }
  std::string text;
  ExitCode code = problems.empty() ? ExitCode::agentvm_failed : problems.front().code;
  std::size_t shown = 0;
  for (const Problem& problem : problems) {
    if (problem.code == ExitCode::usage) code = ExitCode::usage;
    if (++shown > max_shown) continue;
    if (!text.empty()) text += '\n';
    text += format(problem);
  }
  if (shown > max_shown) text += fmt::format("\n{} more mistakes are not shown", shown - max_shown);
  return Error(text, {}, code);
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string_view> known) {
  if (word.empty() || word.size() > max_compared) return std::nullopt;
  // A third of the word may be wrong: "memroy" finds memory, "foo" finds nothing.
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::optional<std::string> found;
  for (const std::string_view candidate : known) {
    if (candidate.size() > max_compared) continue;
    const std::size_t away = distance(word, candidate);
    if (away < best) {
      best = away;
      found = std::string(candidate);
    }
  }
  return found;
}

std::string quote_value(std::string_view value) {
  return "'" + printable(value, max_quoted) + "'";
}

}  // namespace agentvm::vmspec
