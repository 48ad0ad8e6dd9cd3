// nix_guest.cpp - what a profile tells about its guest of NixOS before it is built.
#include "vmspec/plan/nix_guest.hpp"

#include "vmspec/agents/agent_package.hpp"

namespace agentvm::vmspec {

NixGuest unbuilt_nix_guest(const Profile& profile) {
  NixGuest guest;
  guest.store = "/nix/store";
  guest.user = profile.guest.user;
  guest.home = "/home/" + profile.guest.user;
  guest.workspace = profile.workspace.mount;
  if (nix_agent_package(profile.agent.kind, profile.agent.package)) guest.agent = "codex";
  guest.shell = "bash";
  guest.path = "/run/current-system/sw/bin";
  return guest;
}

}  // namespace agentvm::vmspec
