set(UNIT_SOURCES_image host_image_test.cpp kernel_modules_test.cpp nix_image_test.cpp nix_manifest_test.cpp
  nix_profiles_test.cpp)
set(UNIT_LIBS_image agentvm_image nlohmann_json::nlohmann_json PkgConfig::SECCOMP)
