set(UNIT_SOURCES_sandbox mcp_install_test.cpp mcp_sandbox_test.cpp nix_sandbox_test.cpp nix_settings_test.cpp
  proxy_rules_test.cpp)
set(UNIT_LIBS_sandbox agentvm_sandbox nlohmann_json::nlohmann_json)
