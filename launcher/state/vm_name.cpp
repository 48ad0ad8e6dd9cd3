// vm_name.cpp - names of VMs.
#include "launcher/state/vm_name.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace agentvm::state {

namespace {

constexpr std::size_t longest_name = 41;
constexpr std::size_t longest_slug = 32;  // leaves room for "-2" and for what a person puts in front

bool is_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

}  // namespace

bool valid_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= longest_name && is_word(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_word(c) || c == '-'; });
}

void check_name(const std::string& name) {
  if (valid_name(name)) return;
  throw Error("'" + name + "' cannot be the name of a VM: 1 to 41 of a-z, 0-9 and '-', the first no '-'", {},
              ExitCode::usage);
}

std::string slug(std::string_view workspace) {
  while (workspace.size() > 1 && workspace.back() == '/') workspace.remove_suffix(1);
  const auto slash = workspace.rfind('/');
  if (slash != std::string_view::npos) workspace.remove_prefix(slash + 1);
  std::string name;
  for (char c : workspace) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (is_word(c)) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
    if (name.size() == longest_slug) break;
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "vm" : name;
}

std::string default_name(std::string_view workspace, const std::function<bool(const std::string&)>& taken) {
  const std::string base = slug(workspace);
  std::string name = base;
  for (unsigned number = 2; taken(name); ++number) name = base + "-" + std::to_string(number);
  return name;
}

}  // namespace agentvm::state
