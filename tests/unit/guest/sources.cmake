set(UNIT_SOURCES_guest accounts_test.cpp boot_test.cpp bridge_test.cpp control_test.cpp inode_keeper_test.cpp
  network_test.cpp root_fs_test.cpp service_manager_test.cpp setup_test.cpp)
set(UNIT_LIBS_guest agentvm_guest_core nlohmann_json::nlohmann_json)
