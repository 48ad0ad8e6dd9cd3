set(UNIT_SOURCES_nix dev_env_test.cpp devshell_test.cpp flake_files_test.cpp git_index_test.cpp nix_image_test.cpp
  nix_manifest_test.cpp nix_profiles_test.cpp)
set(UNIT_LIBS_nix agentvm_nix agentvm_state nlohmann_json::nlohmann_json PkgConfig::SECCOMP)
