set(UNIT_SOURCES_supervisor event_log_test.cpp link_transport_test.cpp output_channel_test.cpp reaper_test.cpp report_test.cpp)
    set(UNIT_LIBS_supervisor agentvm_supervisor_core)
