set(UNIT_SOURCES_gateway http/dial_test.cpp http/http_reader_test.cpp http/response_head_test.cpp
  http/upstream_url_test.cpp mcp/mcp_filter_test.cpp mcp/mcp_gateway_test.cpp mcp/mcp_line_test.cpp
  mcp/mcp_reply_test.cpp mcp/mcp_surroundings_test.cpp model/key_test.cpp model/lenient_answer_test.cpp
  model/model_gateway_test.cpp model/model_http_test.cpp model/model_proxy_test.cpp model/model_tls_test.cpp
  model/refused_key_test.cpp model/sse_observer_test.cpp ports/port_publisher_test.cpp)
set(UNIT_LIBS_gateway agentvm_gateway nlohmann_json::nlohmann_json fmt::fmt OpenSSL::SSL)
