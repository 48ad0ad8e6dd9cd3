set(UNIT_SOURCES_claim line_socket_test.cpp messages_test.cpp)
set(UNIT_LIBS_claim agentvm_claim)
