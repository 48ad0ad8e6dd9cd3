// names.hpp - the words of every enumeration, in profiles and in JSON.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

/// Names<E>::all lists each value with its word.
template <typename E>
struct Names;

#define AGENTVM_NAMES(Enum, Count, ...)                                                          \
  template <>                                                                                    \
  struct Names<Enum> {                                                                           \
    static constexpr std::array<std::pair<std::string_view, Enum>, Count> all = {{__VA_ARGS__}}; \
  }

AGENTVM_NAMES(HypervisorChoice, 3, {"auto", HypervisorChoice::automatic},
              {"cloud-hypervisor", HypervisorChoice::cloud_hypervisor}, {"qemu", HypervisorChoice::qemu});
AGENTVM_NAMES(GuestSource, 3, {"auto", GuestSource::automatic}, {"nix", GuestSource::nix}, {"host", GuestSource::host});
AGENTVM_NAMES(StoreShare, 3, {"auto", StoreShare::automatic}, {"host", StoreShare::host},
              {"closure", StoreShare::closure});
AGENTVM_NAMES(WorkspaceMode, 3, {"shared", WorkspaceMode::shared}, {"review", WorkspaceMode::review},
              {"read-only", WorkspaceMode::read_only});
AGENTVM_NAMES(EgressChoice, 4, {"auto", EgressChoice::automatic}, {"nat", EgressChoice::nat},
              {"proxy", EgressChoice::proxy}, {"none", EgressChoice::none});
AGENTVM_NAMES(AgentKind, 5, {"codex", AgentKind::codex}, {"claude", AgentKind::claude}, {"gemini", AgentKind::gemini},
              {"opencode", AgentKind::opencode}, {"command", AgentKind::command});
AGENTVM_NAMES(Autonomy, 2, {"full-auto", Autonomy::full_auto}, {"ask", Autonomy::ask});
AGENTVM_NAMES(ModelWire, 4, {"responses", ModelWire::responses}, {"chat", ModelWire::chat},
              {"messages", ModelWire::messages}, {"generate-content", ModelWire::generate_content});
AGENTVM_NAMES(Accelerator, 2, {"kvm", Accelerator::kvm}, {"tcg", Accelerator::tcg});
AGENTVM_NAMES(HypervisorKind, 2, {"qemu", HypervisorKind::qemu},
              {"cloud-hypervisor", HypervisorKind::cloud_hypervisor});
AGENTVM_NAMES(GuestKind, 2, {"host", GuestKind::host}, {"nix", GuestKind::nix});
AGENTVM_NAMES(Egress, 3, {"nat", Egress::nat}, {"proxy", Egress::proxy}, {"none", Egress::none});
AGENTVM_NAMES(ShareOwner, 2, {"root", ShareOwner::root}, {"caller", ShareOwner::caller});
AGENTVM_NAMES(KeySource::Kind, 4, {"none", KeySource::Kind::none}, {"env", KeySource::Kind::env},
              {"file", KeySource::Kind::file}, {"command", KeySource::Kind::command});

#undef AGENTVM_NAMES

template <typename E>
std::string_view name_of(E value) {
  for (const auto& [name, candidate] : Names<E>::all) {
    if (candidate == value) return name;
  }
  return "";
}

template <typename E>
std::optional<E> value_of(std::string_view name) {
  for (const auto& [candidate, value] : Names<E>::all) {
    if (candidate == name) return value;
  }
  return std::nullopt;
}

/// "auto, nix or host"
template <typename E>
std::string choices_of() {
  std::string out;
  const auto& all = Names<E>::all;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0) out += i + 1 == all.size() ? " or " : ", ";
    out += all[i].first;
  }
  return out;
}

}  // namespace agentvm::vmspec
