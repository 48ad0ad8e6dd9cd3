// line_diff.cpp - how many lines two texts differ by: trim, intern, drop what has no match, then Myers.
#include "launcher/workspace/line_diff.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

namespace agentvm::workspace {
namespace {

constexpr std::int64_t max_edits = 2000;
constexpr std::size_t max_work = 20'000'000;
constexpr std::size_t sort_work = 16;  // steps per line: about what sorting 100'000 short lines takes

using Lines = std::vector<std::string_view>;
using Ids = std::vector<std::uint32_t>;

Lines split(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    const std::size_t length = newline == std::string_view::npos ? text.size() : newline + 1;
    lines.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return lines;
}

/// The lines both texts have, as numbers: lines without a match are left out, they change no longest common
/// subsequence.
struct Shared {
  Ids before, after;
  std::int64_t common = 0;  ///< size of the common multiset: no common subsequence is longer
};

/// Equal lines get equal numbers by sorting; a hash table would let a hostile text choose its collisions.
Shared intern(const Lines& before, const Lines& after) {
  const auto line = [&](std::uint32_t at) { return at < before.size() ? before[at] : after[at - before.size()]; };
  Ids order(before.size() + after.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return line(a) < line(b); });

  Shared shared;
  constexpr std::uint32_t unmatched = 0;
  Ids ids(order.size(), unmatched);
  std::uint32_t next = unmatched + 1;
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    std::int64_t in_before = 0;
    for (; last < order.size() && line(order[last]) == line(order[first]); ++last) {
      in_before += order[last] < before.size() ? 1 : 0;
    }
    const std::int64_t in_after = static_cast<std::int64_t>(last - first) - in_before;
    if (in_before > 0 && in_after > 0) {
      for (std::size_t i = first; i < last; ++i) ids[order[i]] = next;
      ++next;
      shared.common += std::min(in_before, in_after);
    }
    first = last;
  }
  const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(before.size());
  std::copy_if(ids.begin(), middle, std::back_inserter(shared.before), [](auto id) { return id != unmatched; });
  std::copy_if(middle, ids.end(), std::back_inserter(shared.after), [](auto id) { return id != unmatched; });
  return shared;
}

/// The least number of insertions and deletions; nullopt: more than max_edits, or than `work` steps can tell.
std::optional<std::int64_t> edit_distance(const Ids& before, const Ids& after, std::size_t& work) {
  const auto n = static_cast<std::int64_t>(before.size());
  const auto m = static_cast<std::int64_t>(after.size());
  const std::int64_t limit = std::min(n + m, max_edits);
  // furthest[k + offset]: how far into `before` the best path on diagonal k (= x - y) has come.
  const std::int64_t offset = limit + 1;
  std::vector<std::int64_t> furthest(static_cast<std::size_t>(2 * offset + 1), 0);
  const auto at = [&](std::int64_t k) -> std::int64_t& { return furthest[static_cast<std::size_t>(k + offset)]; };

  for (std::int64_t edits = 0; edits <= limit; ++edits) {
    for (std::int64_t k = -edits; k <= edits; k += 2) {
      if (work == 0) return std::nullopt;
      --work;
      const bool down = k == -edits || (k != edits && at(k - 1) < at(k + 1));
      std::int64_t x = down ? at(k + 1) : at(k - 1) + 1;
      const std::int64_t start = x;
      // A path may run past an edge (x > n or y > m): it can match nothing there and never ends first.
      while (x < n && x - k < m && before[static_cast<std::size_t>(x)] == after[static_cast<std::size_t>(x - k)]) ++x;
      at(k) = x;
      work -= std::min(work, static_cast<std::size_t>(x - start));
      if (x >= n && x - k >= m) return edits;
    }
  }
  return std::nullopt;
}

}  // namespace

std::int64_t count_lines(std::string_view text) {
  const auto newlines = static_cast<std::int64_t>(std::count(text.begin(), text.end(), '\n'));
  return newlines + (!text.empty() && text.back() != '\n' ? 1 : 0);
}

LineCounts count_changed_lines(std::string_view before, std::string_view after, std::size_t& work) {
  Lines old_lines = split(before);
  Lines new_lines = split(after);
  const auto [old_end, new_end] =
      std::mismatch(old_lines.rbegin(), old_lines.rend(), new_lines.rbegin(), new_lines.rend());
  old_lines.erase(old_end.base(), old_lines.end());
  new_lines.erase(new_end.base(), new_lines.end());
  const auto [old_start, new_start] =
      std::mismatch(old_lines.begin(), old_lines.end(), new_lines.begin(), new_lines.end());
  old_lines.erase(old_lines.begin(), old_start);
  new_lines.erase(new_lines.begin(), new_start);

  const auto removed = static_cast<std::int64_t>(old_lines.size());
  const auto added = static_cast<std::int64_t>(new_lines.size());
  if (removed == 0 || added == 0) return {added, removed, true};

  const std::size_t sorting = sort_work * (old_lines.size() + new_lines.size());
  if (sorting > work) {
    work = 0;
    const std::int64_t most_kept = std::min(added, removed);
    return {added - most_kept, removed - most_kept, false};
  }
  work -= sorting;
  const Shared shared = intern(old_lines, new_lines);
  const std::size_t allowed = std::min(work, max_work);
  std::size_t left = allowed;
  const auto distance = edit_distance(shared.before, shared.after, left);
  work -= allowed - left;
  // Of the lines with a match, all but `distance` are in the longest common subsequence, once on each side.
  const auto matched = static_cast<std::int64_t>(shared.before.size() + shared.after.size());
  const std::int64_t kept = distance ? (matched - *distance) / 2 : shared.common;
  return {added - kept, removed - kept, distance.has_value()};
}

}  // namespace agentvm::workspace
