set(UNIT_SOURCES_devshell dev_env_test.cpp devshell_test.cpp flake_files_test.cpp git_index_test.cpp nix_sandbox_test.cpp
  nix_settings_test.cpp)
set(UNIT_LIBS_devshell agentvm_devshell agentvm_state nlohmann_json::nlohmann_json)
