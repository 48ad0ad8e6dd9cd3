set(UNIT_SOURCES_terminal local_streams_test.cpp output_test.cpp)
set(UNIT_LIBS_terminal agentvm_terminal)
