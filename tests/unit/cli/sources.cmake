set(UNIT_SOURCES_cli completion_test.cpp parse_test.cpp)
set(UNIT_LIBS_cli agentvm_cli)
