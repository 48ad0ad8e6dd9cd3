// main.cpp - the test runner's main; every unit test is linked into this one program.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>

#include <cstdio>

namespace {

/// How many cases a run's filters matched. doctest itself calls a run of no case a success.
struct CaseCount : doctest::IReporter {
  inline static bool counted = false;
  inline static unsigned cases = 0;

  explicit CaseCount(const doctest::ContextOptions& /*options*/) {}
  void test_run_end(const doctest::TestRunStats& stats) override {
    counted = true;
    cases = stats.numTestCasesPassingFilters;
  }
  void report_query(const doctest::QueryData& /*query*/) override {}
  void test_run_start() override {}
  void test_case_start(const doctest::TestCaseData& /*data*/) override {}
  void test_case_reenter(const doctest::TestCaseData& /*data*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void test_case_exception(const doctest::TestCaseException& /*exception*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*data*/) override {}
  void log_message(const doctest::MessageData& /*data*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*data*/) override {}
};

DOCTEST_REGISTER_LISTENER("case count", 1, CaseCount);

}  // namespace

int main(int argc, char** argv) {
  // As every program of agentvm does: a peer that left is an error of write(2), not the end of us.
  signal(SIGPIPE, SIG_IGN);
  // What root has set up on this machine must not decide how a test ends.
  setenv("AGENTVM_MACHINE_CACHE", "/nonexistent", 1);
  const int code = doctest::Context(argc, argv).run();
  if (code == 0 && CaseCount::counted && CaseCount::cases == 0) {
    std::fputs("no test case matches these filters\n", stderr);
    return 1;
  }
  return code;
}
