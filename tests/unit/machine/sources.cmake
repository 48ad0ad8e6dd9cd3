set(UNIT_SOURCES_machine link_transport_test.cpp reaper_test.cpp share_server_test.cpp suid_filter_test.cpp)
set(UNIT_LIBS_machine agentvm_machine agentvm_host agentvm_state PkgConfig::SECCOMP)
