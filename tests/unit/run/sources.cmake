set(UNIT_SOURCES_run follow_test.cpp ignored_files_test.cpp neighbours_test.cpp plan_test.cpp
  text_test.cpp workspace_check_test.cpp)
set(UNIT_LIBS_run agentvm_run agentvm_host agentvm_report nlohmann_json::nlohmann_json fmt::fmt)
