// nix_test.cpp - tests of vmspec/render/nix.hpp: data/nix-CASE/profile.toml becomes the files beside it.
#include "vmspec/render/nix.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/unit/has.hpp"
#include "tests/unit/vmspec/support.hpp"
#include "vmspec/agents/agent_package.hpp"

namespace agentvm::vmspec {

namespace {

using test::has;

Definition definition_of(const Profile& profile) {
  DefinitionInput input{.agentvm_flake = "git+https://example.org/agentvm", .modules = {}};
  for (const std::string& path : profile.guest.modules) input.modules.push_back({path, "{ }\n"});
  return render_definition(profile, input);
}

Profile definition_profile(const std::string& name) {
  std::vector<Problem> problems;
  const std::string text = testing::data_file("nix-" + name + "/profile.toml");
  Profile profile = resolve_profile(name, std::nullopt, testing::sources_of({{name, text}}), problems);
  for (const std::string& line : testing::format_all(problems)) FAIL_CHECK(line);
  return profile;
}

std::string file_of(const Definition& definition, std::string_view name) {
  for (const DefinitionFile& file : definition.files) {
    if (file.name == name) return file.content;
  }
  return "";
}

Profile profile_with(const std::string& text) {
  const auto parsed = testing::parse(text);
  for (const std::string& line : parsed.lines) FAIL_CHECK(line);
  return parsed.profile;
}

}  // namespace

TEST_CASE("five profiles become the definitions beside them") {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"rust", {"flake.nix", "vm.nix", "codex.toml", "AGENTS.md"}},
      {"everything",
       {"flake.nix", "vm.nix", "codex.toml", "AGENTS.md", "modules/1-extra.nix", "modules/2-Our-Tools.nix"}},
      {"closure-command", {"flake.nix", "vm.nix"}},
      {"claude", {"flake.nix", "vm.nix", "AGENTS.md"}},
      {"hostile", {"flake.nix", "vm.nix", "codex.toml", "AGENTS.md"}}};
  for (const auto& [name, files] : cases) {
    const Definition definition = definition_of(definition_profile(name));
    std::vector<std::string> names;
    for (const DefinitionFile& file : definition.files) {
      names.push_back(file.name);
      if (file.name.ends_with(".nix") && !file.name.starts_with("modules/")) {
        testing::check_golden("nix-" + name + "/" + file.name, file.content);
      }
    }
    CHECK(names == files);
  }
}

TEST_CASE("no definition has a trailing space or a tab or a control character") {
  for (const auto& [name, source] : builtin_profiles()) {
    for (const DefinitionFile& file : definition_of(testing::builtin(name)).files) {
      CAPTURE(file.name);
      CHECK_FALSE(has(file.content, " \n"));
      CHECK_FALSE(has(file.content, "\n\n\n"));
      CHECK(std::none_of(file.content.begin(), file.content.end(),
                         [](char c) { return c != '\n' && static_cast<unsigned char>(c) < 0x20; }));
      CHECK(file.content.ends_with("\n"));
    }
  }
}

TEST_CASE("a machine is named after its profile in the letters of a host name") {
  const auto named = [](const std::string& name) {
    Profile profile;
    profile.name = name;
    return machine_name(profile);
  };
  CHECK(named("rust") == "rust");
  CHECK(named("./profiles/My_Team 2.toml") == "my-team-2");
  CHECK(named("/etc/x/..toml") == "agent");
  CHECK(named("-") == "agent");
  CHECK(named("größe") == "gr-e");
  CHECK(named(std::string(39, 'a') + "-b") == std::string(39, 'a'));
}

TEST_CASE("the interface of a machine fits the kernel and differs between profiles") {
  std::set<std::string> macs;
  for (const char* name : {"rust", "python", "a-very-long-profile-name"}) {
    Profile profile;
    profile.name = name;
    const std::string text = file_of(definition_of(profile), "vm.nix");
    const std::size_t id = text.find("id = \"vm-") + 6;
    CHECK(text.find('"', id) - id <= 15);
    macs.insert(text.substr(text.find("mac = \"02:"), 26));
  }
  CHECK(macs.size() == 3);
}

TEST_CASE("memory is in whole MiB rounded up") {
  CHECK(has(file_of(definition_of(profile_with("machine.memory = \"300000K\"")), "vm.nix"), "mem = 293; # MiB"));
}

TEST_CASE("agent.package is a package of a flake or of the host") {
  const auto package = [](AgentKind kind, const char* text) {
    const auto found = nix_agent_package(kind, text);
    return found ? found->input + " " + found->url + " " + found->attribute : "none";
  };
  CHECK(package(AgentKind::codex, "auto") == "codex-cli-nix github:sadjow/codex-cli-nix default");
  CHECK(package(AgentKind::claude, "auto") == "llm-agents github:numtide/llm-agents.nix claude-code");
  CHECK(package(AgentKind::gemini, "auto") == "llm-agents github:numtide/llm-agents.nix gemini-cli");
  CHECK(package(AgentKind::opencode, "auto") == "llm-agents github:numtide/llm-agents.nix opencode");
  CHECK(package(AgentKind::codex, "nix:llm-agents#codex") == "llm-agents github:numtide/llm-agents.nix codex");
  CHECK(package(AgentKind::codex, "nix:nixpkgs#codex") == "nixpkgs  codex");
  CHECK(package(AgentKind::codex, "nix:github:a/b") == "agent-flake github:a/b default");
  CHECK(package(AgentKind::codex, "nix:path:/x?dir=a#b.c") == "agent-flake path:/x?dir=a b.c");
  for (const char* text : {"host", "/opt/codex", "~/bin/codex", "./codex"}) {
    CHECK(package(AgentKind::codex, text) == "none");
  }
  CHECK(package(AgentKind::command, "auto") == "none");
}

TEST_CASE("a package that no flake can mean is refused") {
  for (const char* text : {"nix:codex", "nix:llm-agents", "nix:nixpkgs", "nix:llm-agents#", "nix:llm-agents#a b",
                           "nix:github:a/b#\\\"", "nix:a:${b}", "nix:#codex"}) {
    CAPTURE(text);
    CHECK(has(testing::only_problem("agent.package = \"" + std::string(text) + "\""), "agent.package"));
  }
}

TEST_CASE("modules are relative to the file that names them") {
  std::vector<Problem> problems;
  Profile profile;
  apply_profile(profile, {"/etc/agentvm/profiles/team.toml", "guest.modules = [\"./a.nix\", \"~/b.nix\", \"/c.nix\"]"},
                problems);
  apply_profile(profile, {"/ws/agentvm.toml", "guest.modules.add = [\"d.nix\"]"}, problems);
  apply_override(profile, "guest.modules.add", "e.nix", "--set", problems);
  CHECK(problems.empty());
  CHECK(profile.guest.modules ==
        std::vector<std::string>{"/etc/agentvm/profiles/./a.nix", "~/b.nix", "/c.nix", "/ws/d.nix", "e.nix"});
}

TEST_CASE("what is built for agentvm does not change with what a VM is given when it starts") {
  const Profile plain = shared_profile(testing::builtin("rust"), false);
  Profile other = testing::builtin("rust");
  std::vector<Problem> problems;
  for (const auto& [key, value] : std::vector<std::pair<const char*, const char*>>{{"machine.vcpus", "2"},
                                                                                   {"machine.memory", "1GiB"},
                                                                                   {"machine.disk", "1GiB"},
                                                                                   {"network.egress", "nat"},
                                                                                   {"agent.env.A", "b"},
                                                                                   {"agent.args", "x"},
                                                                                   {"agents_md.write", "false"},
                                                                                   {"model.name", "m"},
                                                                                   {"workspace.mode", "review"}}) {
    apply_override(other, key, value, "--set", problems);
    CHECK(problems.empty());
  }
  CHECK(definition_of(shared_profile(other, false)).files == definition_of(plain).files);
  // And does with what is in the closure.
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, const char*>>{{"guest.packages.add", "hello"},
                                                        {"guest.user", "dev"},
                                                        {"store.share", "closure"},
                                                        {"workspace.mount", "/code"},
                                                        {"agent.package", "nix:llm-agents#codex"}}) {
    Profile changed = testing::builtin("rust");
    apply_override(changed, key, value, "--set", problems);
    CHECK(problems.empty());
    CHECK(definition_of(shared_profile(changed, false)).files != definition_of(plain).files);
  }
}

TEST_CASE("an emulated machine has its store as a disk unless the profile says otherwise") {
  Profile profile = testing::builtin("rust");
  std::vector<Problem> problems;
  CHECK(shared_profile(profile, true).store.share == StoreShare::closure);
  CHECK(shared_profile(profile, false).store.share == StoreShare::host);
  profile.guest.devshell = true;  // whose packages are in the host's
  CHECK(shared_profile(profile, true).store.share == StoreShare::host);
  profile.guest.devshell = false;
  for (const StoreShare said : {StoreShare::host, StoreShare::closure}) {
    profile.store.share = said;
    CHECK(shared_profile(profile, true).store.share == said);
    CHECK(shared_profile(profile, false).store.share == said);
  }
}

}  // namespace agentvm::vmspec
