set(UNIT_SOURCES_client remote_process_test.cpp vm_lookup_test.cpp)
set(UNIT_LIBS_client agentvm_client nlohmann_json::nlohmann_json fmt::fmt)
