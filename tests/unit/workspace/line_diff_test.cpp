// line_diff_test.cpp - counts of changed lines, exact and estimated, against a plain table of subsequences.
#include "launcher/workspace/line_diff.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

using namespace agentvm::workspace;

namespace {

LineCounts diff(std::string_view before, std::string_view after) {
  std::size_t work = 100'000'000;
  return count_changed_lines(before, after, work);
}

/// Texts whose lines are letters: "abc" is three lines.
std::string lines_of(std::string_view letters) {
  std::string text;
  for (const char letter : letters) text += std::string(1, letter) + "\n";
  return text;
}

/// The textbook table, quadratic and obviously right.
LineCounts by_table(std::string_view before, std::string_view after) {
  std::vector<std::vector<int>> best(before.size() + 1, std::vector<int>(after.size() + 1, 0));
  for (std::size_t i = 1; i <= before.size(); ++i) {
    for (std::size_t j = 1; j <= after.size(); ++j) {
      best[i][j] = before[i - 1] == after[j - 1] ? best[i - 1][j - 1] + 1 : std::max(best[i - 1][j], best[i][j - 1]);
    }
  }
  const int kept = best[before.size()][after.size()];
  return {static_cast<std::int64_t>(after.size()) - kept, static_cast<std::int64_t>(before.size()) - kept, true};
}

}  // namespace

TEST_SUITE("workspace/line_diff") {
  TEST_CASE("lines are counted with an unfinished last one") {
    CHECK(count_lines("") == 0);
    CHECK(count_lines("a") == 1);
    CHECK(count_lines("a\n") == 1);
    CHECK(count_lines("\n\n") == 2);
    CHECK(count_lines("a\nb") == 2);
  }

  TEST_CASE("small changes") {
    CHECK(diff("", "") == LineCounts{0, 0, true});
    CHECK(diff("", "a\nb\n") == LineCounts{2, 0, true});
    CHECK(diff("a\nb\n", "") == LineCounts{0, 2, true});
    CHECK(diff("a\nb\nc\n", "a\nb\nc\n") == LineCounts{0, 0, true});
    CHECK(diff("a\nb\nc\n", "a\nX\nc\n") == LineCounts{1, 1, true});
    CHECK(diff("a\na\na\n", "a\na\n") == LineCounts{0, 1, true});
    CHECK(diff("a\nb\n", "b\na\n") == LineCounts{1, 1, true});
    // As diff and git have it: the newline at the end is part of the line.
    CHECK(diff("a\nb\n", "a\nb") == LineCounts{1, 1, true});
    CHECK(diff("a\r\n", "a\n") == LineCounts{1, 1, true});
  }

  TEST_CASE("random texts of few different lines agree with the table") {
    std::mt19937 random(20260901);  // the same texts on every run
    for (int round = 0; round < 3000; ++round) {
      std::string before;
      std::string after;
      const unsigned letters = 1 + random() % 6;
      for (unsigned i = random() % 25; i > 0; --i) before += static_cast<char>('a' + random() % letters);
      for (unsigned i = random() % 25; i > 0; --i) after += static_cast<char>('a' + random() % letters);
      CAPTURE(before);
      CAPTURE(after);
      CHECK(diff(lines_of(before), lines_of(after)) == by_table(before, after));
    }
  }

  TEST_CASE("texts without a common line cost no more than sorting their lines") {
    std::string before;
    std::string after;
    for (int i = 0; i < 20'000; ++i) {
      before += "old " + std::to_string(i) + "\n";
      after += "new " + std::to_string(i) + "\n";
    }
    std::size_t work = 1'000'000;
    CHECK(count_changed_lines(before, after, work) == LineCounts{20'000, 20'000, true});
    CHECK(work >= 350'000);
  }

  TEST_CASE("too many edits or no work left: an estimate that is not above the truth") {
    std::string before;
    std::string after;
    for (int i = 0; i < 5'000; ++i) {
      before += std::to_string(i) + "\n";
      after += std::to_string(4'999 - i) + "\n";
    }
    after += "one more\n";
    std::size_t work = 100'000'000;
    CHECK(count_changed_lines(before, after, work) == LineCounts{1, 0, false});
    CHECK(work < 100'000'000);
    CHECK(work >= 79'000'000);  // no comparison takes more than its share

    const std::string many = lines_of("abcdefgh");
    const std::string others = lines_of("badcfehxyz");
    work = 18 * 16 + 3;  // enough to sort, not enough to compare
    CHECK(count_changed_lines(many, others, work) == LineCounts{3, 1, false});
    CHECK(work == 0);
    work = 17;  // not enough to sort
    CHECK(count_changed_lines(many, others, work) == LineCounts{2, 0, false});
    CHECK(work == 0);
    CHECK(diff(many, others) == LineCounts{6, 4, true});
    CHECK(count_changed_lines("a\n", "a\nb\n", work) == LineCounts{1, 0, true});  // trimming alone needs no work
  }
}
