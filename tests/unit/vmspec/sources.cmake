set(UNIT_SOURCES_vmspec golden_test.cpp support.cpp agents/agents_md_test.cpp agents/codex_test.cpp
  plan/agent_program_test.cpp plan/devshell_test.cpp
  plan/guest_files_test.cpp plan/nix_test.cpp plan/paths_test.cpp plan/plan_test.cpp plan/vm_spec_test.cpp
  profile/builtin_test.cpp profile/check_test.cpp profile/key_table_test.cpp profile/keys_test.cpp
  profile/override_test.cpp profile/problem_test.cpp profile/render_test.cpp profile/resolve_test.cpp
  profile/toml_text_test.cpp profile/trust_test.cpp profile/units_test.cpp render/cloud_hypervisor_test.cpp
  render/libvirt_test.cpp render/nix_test.cpp render/nix_text_test.cpp)
set(UNIT_LIBS_vmspec agentvm_vmspec fmt::fmt nlohmann_json::nlohmann_json PkgConfig::PUGIXML)
