set(UNIT_SOURCES_machine ../../fakes/fake_guest.cpp boot_console_test.cpp guest_links_test.cpp link_transport_test.cpp machine_test.cpp
  reaper_test.cpp share_server_test.cpp suid_filter_test.cpp)
set(UNIT_LIBS_machine agentvm_wire nlohmann_json::nlohmann_json agentvm_machine PkgConfig::SECCOMP agentvm_host agentvm_state agentvm_guest_core)
