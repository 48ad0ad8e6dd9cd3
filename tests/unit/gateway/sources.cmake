set(UNIT_SOURCES_gateway http_reader_test.cpp key_test.cpp mcp_filter_test.cpp mcp_gateway_test.cpp mcp_install_test.cpp
  mcp_line_test.cpp mcp_reply_test.cpp mcp_sandbox_test.cpp model_gateway_test.cpp model_http_test.cpp model_tls_test.cpp
  port_publisher_test.cpp
  sse_observer_test.cpp upstream_url_test.cpp)
set(UNIT_LIBS_gateway agentvm_gateway nlohmann_json::nlohmann_json fmt::fmt OpenSSL::SSL)
