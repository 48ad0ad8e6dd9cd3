set(UNIT_SOURCES_state roots_test.cpp sweep_test.cpp vm_name_test.cpp vm_state_test.cpp)
set(UNIT_LIBS_state agentvm_state)
