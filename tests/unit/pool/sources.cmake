set(UNIT_SOURCES_pool config_test.cpp host_keepers_test.cpp keeper_test.cpp quantiles_test.cpp server_test.cpp)
set(UNIT_LIBS_pool agentvm_pool)
