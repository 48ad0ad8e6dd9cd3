set(UNIT_SOURCES_base file_test.cpp process_test.cpp text_test.cpp unix_socket_test.cpp link/link_test.cpp wire/guest_test.cpp)
set(UNIT_LIBS_base agentvm_base agentvm_wire)
