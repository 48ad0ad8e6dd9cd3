set(UNIT_SOURCES_map capacity_test.cpp prepared_task_test.cpp result_test.cpp results_file_test.cpp run_events_test.cpp
  run_process_test.cpp run_words_test.cpp schedule_test.cpp shared_results_test.cpp slurm_test.cpp slurm_map_test.cpp
  tasks_file_test.cpp)
set(UNIT_LIBS_map agentvm_map nlohmann_json::nlohmann_json fmt::fmt)
