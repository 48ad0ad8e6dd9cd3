set(UNIT_SOURCES_base file_test.cpp held_directory_test.cpp process_test.cpp startable_test.cpp unix_socket_test.cpp
  async/task_group_test.cpp link/link_test.cpp wire/bytes_test.cpp wire/guest_test.cpp)
set(UNIT_LIBS_base agentvm_base agentvm_wire)
