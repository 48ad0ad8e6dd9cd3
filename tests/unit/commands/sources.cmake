set(UNIT_SOURCES_commands local_streams_test.cpp output_test.cpp remote_process_test.cpp run_follow_test.cpp run_plan_test.cpp
  run_text_test.cpp vm_lookup_test.cpp workspace_check_test.cpp)
set(UNIT_LIBS_commands agentvm_commands agentvm_host agentvm_supervisor_api nlohmann_json::nlohmann_json fmt::fmt)
