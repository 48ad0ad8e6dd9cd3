set(UNIT_SOURCES_workspace git_guard_test.cpp line_diff_test.cpp snapshot_test.cpp)
set(UNIT_LIBS_workspace agentvm_workspace)
