set(UNIT_SOURCES_host codex_test.cpp git_identity_test.cpp kernel_modules_test.cpp kernels_test.cpp kvm_test.cpp
  profile_store_test.cpp programs_test.cpp proxy_test.cpp tool_caches_test.cpp)
set(UNIT_LIBS_host agentvm_host)
