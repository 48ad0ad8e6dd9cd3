set(UNIT_SOURCES_image host_image_test.cpp)
set(UNIT_LIBS_image agentvm_image nlohmann_json::nlohmann_json)
