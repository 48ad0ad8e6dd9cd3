// line_diff.hpp - how many lines two texts differ by; which lines they are is nobody's question here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace agentvm::workspace {

struct LineCounts {
  std::int64_t added = 0;
  std::int64_t removed = 0;
  bool exact = true;  ///< false: an estimate, never more than the true counts

  bool operator==(const LineCounts&) const = default;
};

/// Lines of a text; a last line without a newline counts as one.
std::int64_t count_lines(std::string_view text);

/// The fewest added and removed lines that turn `before` into `after` (Myers, "An O(ND) Difference Algorithm", 1986),
/// as `diff --minimal` counts them: a line includes its newline, so one missing at the end of a text is a change.
///
/// The texts may be made to be slow to compare. `work` is how many steps the caller still has for this and further
/// comparisons (a step takes some nanoseconds); what was used is taken off. A comparison that needs more, or more than
/// 20 million, or more than 2000 edits among the lines both texts have, is answered by an estimate that ignores the
/// order of lines: a moved line then counts as unchanged. When the work left is not even enough to sort the lines, the
/// estimate is the difference of their numbers. What has no bound but the size of the texts is finding their lines.
LineCounts count_changed_lines(std::string_view before, std::string_view after, std::size_t& work);

}  // namespace agentvm::workspace
