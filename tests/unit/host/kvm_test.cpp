// kvm_test.cpp - the probe's answer is always one of two, quickly, and can be overridden.
#include "launcher/host/kvm.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <chrono>

#include "base/error.hpp"

using namespace agentvm;
using namespace agentvm::host;

TEST_CASE("KVM works or the reason is said within a second") {
  unsetenv("AGENTVM_ACCEL");
  const auto start = std::chrono::steady_clock::now();
  const KvmProbe probe = probe_kvm();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
  CHECK(probe.works == probe.reason.empty());
}

TEST_CASE("AGENTVM_ACCEL decides") {
  setenv("AGENTVM_ACCEL", "kvm", 1);
  CHECK(probe_kvm().works);
  setenv("AGENTVM_ACCEL", "tcg", 1);
  CHECK_FALSE(probe_kvm().works);
  setenv("AGENTVM_ACCEL", "xen", 1);
  CHECK_THROWS_WITH_AS(probe_kvm(), doctest::Contains("it takes kvm or tcg"), Error);
  unsetenv("AGENTVM_ACCEL");
}
