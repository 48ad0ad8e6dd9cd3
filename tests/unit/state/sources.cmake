set(UNIT_SOURCES_state guest_places_test.cpp roots_test.cpp sweep_test.cpp vm_name_test.cpp vm_state_test.cpp)
set(UNIT_LIBS_state agentvm_state)
