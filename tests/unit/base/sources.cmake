set(UNIT_SOURCES_base link_test.cpp process_test.cpp file_test.cpp unix_socket_test.cpp)
set(UNIT_LIBS_base agentvm_base)
