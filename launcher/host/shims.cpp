// shims.cpp - tells shims by their names and their text; none is started, since some look at the current directory.
#include "launcher/host/shims.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"

namespace agentvm::host {

namespace {

struct Manager {
  std::string_view word;  ///< of its program's name, or in its scripts
  std::string_view name;
  std::string_view asks;  ///< the command that prints the real program; "": it has none
};

/// What each one's own documentation says.
constexpr std::array<Manager, 10> managers = {{{"mise", "mise", "mise which codex"},
                                               {"asdf", "asdf", "asdf which codex"},
                                               {"volta", "Volta", "volta which codex"},
                                               {"proto", "proto", "proto bin codex"},
                                               {"aqua", "aqua", "aqua which codex"},
                                               {"nodenv", "nodenv", "nodenv which codex"},
                                               {"fnm", "fnm", ""},
                                               {"nvm", "nvm", ""},
                                               {"pnpm", "pnpm", ""},
                                               {"snap", "snap", ""}}};

bool is_letter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_letter(text[at - 1])) && (end == text.size() || !is_letter(text[end]))) return true;
  }
  return false;
}

const Manager* manager_in(std::string_view text) {
  const auto found = std::find_if(managers.begin(), managers.end(),
                                  [text](const Manager& manager) { return has_word(text, manager.word); });
  return found == managers.end() ? nullptr : &*found;
}

std::string hint_of(const Manager* manager) {
  if (manager == nullptr || manager->asks.empty()) {
    return "set AGENTVM_CODEX or agent.package to the program itself, or install it with `npm install -g "
           "@openai/codex`";
  }
  return fmt::format("set AGENTVM_CODEX or agent.package to the program itself: `{}` prints it", manager->asks);
}

}  // namespace

ShimWords linked_shim(const std::string& link, const std::string& real) {
  const Manager* manager = manager_in(real.substr(real.rfind('/') + 1));
  const std::string which = manager == nullptr
                                ? "a program of another name, perhaps a version manager"
                                : fmt::format("{}, which chooses a program for each directory", manager->name);
  return {fmt::format("{} is not Codex itself: it leads to {}, {}", link, real, which), hint_of(manager)};
}

ShimWords placed_shim(const std::string& path) {
  const Manager* manager = manager_in(path.substr(0, path.rfind('/')));
  const std::string whose = manager == nullptr ? "a version manager's shims" : fmt::format("{}'s shims", manager->name);
  return {fmt::format("{} is not Codex itself: it lies among {}", path, whose), hint_of(manager)};
}

ShimWords scripted_shim(const std::string& path, std::string_view text) {
  const Manager* manager = manager_in(text);
  const std::string first = printable(text.substr(0, text.find('\n')), 60);
  const std::string which = manager == nullptr ? "perhaps a shim of a version manager"
                                               : fmt::format("by its text a shim of {}", manager->name);
  return {fmt::format("{} is not Codex itself: it is a script ({}), {}", path, first, which), hint_of(manager)};
}

std::string launcher_in_script(std::string_view text, const std::string& directory) {
  constexpr std::string_view tail = "/@openai/codex/bin/codex.js";
  constexpr std::string_view own = "$basedir/";
  const std::size_t at = text.find(std::string(tail) + '"');
  if (at == std::string_view::npos) return {};
  const std::size_t quote = text.rfind('"', at);
  if (quote == std::string_view::npos) return {};
  const std::string_view path = text.substr(quote + 1, at + tail.size() - quote - 1);
  if (path.starts_with(own)) return directory + "/" + std::string(path.substr(own.size()));
  return path.starts_with('/') ? std::string(path) : std::string();
}

}  // namespace agentvm::host
