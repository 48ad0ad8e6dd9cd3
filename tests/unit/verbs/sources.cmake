set(UNIT_SOURCES_verbs logs_test.cpp stop_test.cpp)
set(UNIT_LIBS_verbs agentvm_verbs agentvm_report nlohmann_json::nlohmann_json)
