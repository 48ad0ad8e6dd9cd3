// require.hpp - what must hold for every input of a fuzz target.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

/// Ends the target, which libFuzzer takes for a finding; `what` and `text` are shown.
inline void require(bool holds, const char* what, const std::string& text) {
  if (holds) return;
  std::fprintf(stderr, "%s:\n%s\n", what, text.c_str());
  std::abort();
}
