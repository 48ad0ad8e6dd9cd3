set(UNIT_SOURCES_report report_test.cpp)
set(UNIT_LIBS_report agentvm_report)
