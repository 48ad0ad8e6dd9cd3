set(UNIT_SOURCES_vmspec support.cpp codex_test.cpp golden_test.cpp guest_files_test.cpp nix_text_test.cpp paths_test.cpp
  plan_devshell_test.cpp plan_nix_test.cpp plan_test.cpp problem_test.cpp profile_builtin_test.cpp profile_check_test.cpp profile_keys_test.cpp
  profile_override_test.cpp profile_render_test.cpp profile_resolve_test.cpp render_cloud_hypervisor_test.cpp
  render_libvirt_test.cpp render_nix_test.cpp
  toml_text_test.cpp units_test.cpp vm_spec_test.cpp)
set(UNIT_LIBS_vmspec agentvm_vmspec fmt::fmt nlohmann_json::nlohmann_json PkgConfig::PUGIXML)
