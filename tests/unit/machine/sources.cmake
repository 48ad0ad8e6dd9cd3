set(UNIT_SOURCES_machine guest_links_test.cpp link_transport_test.cpp reaper_test.cpp share_server_test.cpp suid_filter_test.cpp)
set(UNIT_LIBS_machine agentvm_machine agentvm_guest_core nlohmann_json::nlohmann_json PkgConfig::SECCOMP)
