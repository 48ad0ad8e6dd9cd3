# python_tests.cmake - agentvm_python_test(LABEL FILE SECONDS): one Python file as one ctest test.
find_package(Python3 3.11 COMPONENTS Interpreter REQUIRED)

set(AGENTVM_TEST_ENVIRONMENT
  AGENTVM_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
  AGENTVM_SOURCE_DIR=${CMAKE_SOURCE_DIR}
  AGENTVM_SANITIZE=${AGENTVM_SANITIZE}
  AGENTVM_TEST_CACHE=${CMAKE_BINARY_DIR}/tests/cache
  AGENTVM_TEST_LIVE_MACHINE=${CMAKE_BINARY_DIR}/tests/vm/live_machine
  AGENTVM_TEST_NIX_INIT=${CMAKE_BINARY_DIR}/tests/vm/nix_guest_init
  AGENTVM_TEST_HOSTILE=${CMAKE_BINARY_DIR}/tests/vm/hostile_guest
  PYTHONDONTWRITEBYTECODE=1
  PYTHONUNBUFFERED=1
  PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/vm)

# Exit code 77: everything in the file was skipped, each with its reason.
function(agentvm_python_test label file timeout)
  get_filename_component(name ${file} NAME_WE)
  string(REGEX REPLACE "_test$" "" name ${name})
  add_test(NAME ${label}.${name} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  set_tests_properties(${label}.${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout} SKIP_RETURN_CODE 77
    FIXTURES_REQUIRED test_cache ENVIRONMENT "${AGENTVM_TEST_ENVIRONMENT}")
endfunction()
