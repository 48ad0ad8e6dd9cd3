// context.hpp - what every verb is given beside its own options.
#pragma once

#include "launcher/cli/options.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::commands {

struct Context {
  GlobalOptions global;
  state::Roots roots;
};

}  // namespace agentvm::commands
