set(UNIT_SOURCES_network address_test.cpp lease_test.cpp protocol_test.cpp ruleset_test.cpp subnet_test.cpp)
set(UNIT_LIBS_network agentvm_network_plan nlohmann_json::nlohmann_json)
