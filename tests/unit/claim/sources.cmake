set(UNIT_SOURCES_claim claim_test.cpp line_socket_test.cpp messages_test.cpp)
set(UNIT_LIBS_claim agentvm_claim)
